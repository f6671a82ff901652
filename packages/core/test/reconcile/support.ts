import {
  emptyKernelState,
  parseIpAddress,
  parseIpPrefix,
  computeDelta,
  MacAddress,
  ROUTE_PROTOCOL_TARTAN,
  type ActualState,
  type Delta,
  type DesiredRoute,
  type KernelState,
  type Ownership,
  type Plan,
  type RtNetlink,
} from '@tartan/core';
import { FakeKernel } from '@tartan/netlink/testing';

export const networks = ['10.5.0.0/16', 'fc00::/48'].map(parseIpPrefix);
export const MAC_A = MacAddress.parse('02:00:00:00:00:0a');
export const MAC_B = MacAddress.parse('02:00:00:00:00:0b');

/** A host with one underlay interface, eth0 (192.168.50.1/24, fd00::1/64). */
export function host(): FakeKernel {
  const kernel = new FakeKernel();
  kernel.addLink({ name: 'eth0', addresses: ['192.168.50.1/24', 'fd00::1/64'] });
  return kernel;
}

/** `10.5.2.0/24 via 192.168.50.2 dev eth0 [onlink] [metric 5] [table 77]` as a desired route. */
export function route(text: string, extra: Partial<DesiredRoute> = {}): DesiredRoute {
  const [dst, ...words] = text.split(' ') as [string, ...string[]];
  const after = (word: string): string | undefined => {
    const place = words.indexOf(word);
    return place === -1 ? undefined : words[place + 1];
  };
  const [via, dev, metric, table] = ['via', 'dev', 'metric', 'table'].map(after);
  return {
    dst: parseIpPrefix(dst),
    ...(via !== undefined && { gateway: parseIpAddress(via) }),
    ...(dev !== undefined && { ifname: dev }),
    ...(metric !== undefined && { metric: Number(metric) }),
    ...(table !== undefined && { table: Number(table) }),
    ...(words.includes('onlink') && { onlink: true }),
    ...extra,
  };
}

/** The route to peer `n`: 10.5.n.0/24 via 192.168.50.n. */
export function peerRoute(n: number): DesiredRoute {
  return route(`10.5.${n}.0/24 via 192.168.50.${n} dev eth0`, { peer: `192.168.50.${n}` });
}

export function state(parts: Partial<KernelState>): KernelState {
  return { ...emptyKernelState, ...parts };
}

export function ownership(parts: Partial<Ownership> = {}): Ownership {
  return { routeProtocol: ROUTE_PROTOCOL_TARTAN, networks, adoptRoutesVia: [], devices: [], ...parts };
}

export function planOf(desired: Partial<KernelState>, own: Partial<Ownership> = {}): Plan {
  const { adoptRoutesVia, devices } = ownership(own);
  return { desired: state(desired), ownership: { adoptRoutesVia, devices }, findings: [] };
}

/** Everything, not only what a plan's scope would read. */
export async function readAll(netlink: RtNetlink, tables: readonly number[] = [254]): Promise<ActualState> {
  const routes = await Promise.all(tables.map((table) => netlink.listRoutes({ table })));
  return {
    links: await netlink.listLinks(),
    addresses: await netlink.listAddresses(),
    routes: routes.flat(),
    neighbours: await netlink.listNeighbours(),
    fdb: await netlink.listFdb(),
  };
}

export async function deltaOf(
  kernel: RtNetlink,
  desired: Partial<KernelState>,
  own: Partial<Ownership> = {},
  tables?: readonly number[],
): Promise<Delta> {
  return computeDelta({ desired: state(desired), ownership: ownership(own), actual: await readAll(kernel, tables) });
}

/** `op subject` of each operation, in order. */
export function opLines(delta: Pick<Delta, 'ops'>): string[] {
  return delta.ops.map(({ op, subject }) => `${op.op} ${subject}`);
}

/** `CODE subject` of each finding. */
export function findingLines({ findings }: Pick<Delta, 'findings'>): string[] {
  return findings.map(({ code, subject }) => `${code} ${subject}`);
}

/** Applies both parts of a delta; throws when the kernel refuses anything. */
export async function applyDelta(kernel: RtNetlink, delta: Delta): Promise<void> {
  const results = await kernel.apply([...delta.linkOps, ...delta.ops].map(({ op }) => op));
  for (const result of results) if (!result.ok) throw result.error;
}

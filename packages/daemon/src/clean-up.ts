import {
  type CommandRunner,
  type DaemonOptions,
  type InterfaceAddress,
  type IpPrefix,
  type KernelOp,
  type Link,
  type Logger,
  type Route,
  type RtNetlink,
  LastLeaseStore,
  ROUTE_PROTOCOL_TARTAN,
  TartanError,
  cleanupTraffic,
  readSubnetEnv,
} from '@tartan/core';
import { rm } from 'node:fs/promises';
import { lastLeaseKey } from './datastores';

/*
 * `tartand --cleanup`: removes what this daemon made on this host, and nothing else. What is ours follows from the networks that
 * subnet.env (or the remembered lease) names, so an overlay with other networks on the same host is left alone. Everything is listed
 * before it goes; with --dry-run it is only listed.
 */

export interface CleanUpOptions {
  readonly options: Pick<DaemonOptions, 'subnetFile' | 'stateDir' | 'dryRun' | 'datastore' | 'etcdPrefix'>;
  readonly netlink: RtNetlink;
  readonly runner: CommandRunner;
  readonly logger: Logger;
  /** One line to the operator. */
  readonly tell: (line: string) => void;
}

/** True when everything went (or would go). Rejects with CLEANUP_NOTHING_KNOWN when nothing says what was ours. */
export async function cleanUp(input: CleanUpOptions): Promise<boolean> {
  const { options, netlink, runner, tell } = input;
  const memory = new LastLeaseStore({ directory: options.stateDir, key: lastLeaseKey(options), logger: input.logger });
  const networks = await networksOfLastRun(input, memory);
  tell(`${options.dryRun ? 'would remove' : 'removing'} what belongs to ${networks.join(', ')}`);
  const rules = await cleanupTraffic({ networks, dryRun: options.dryRun, runner });
  for (const { tool, lines, error } of rules) {
    for (const line of lines) tell(`  ${tool}: ${line}`);
    if (error) tell(`  ${tool}: FAILED: ${error.message}`);
  }
  const kernelDone = await removeFromKernel(await ownObjects(netlink, networks), input);
  const files = [options.subnetFile, memory.path];
  for (const file of files) {
    tell(`  file ${file}`);
    if (!options.dryRun) await rm(file, { force: true });
  }
  return kernelDone && rules.every(({ error }) => error === undefined);
}

async function networksOfLastRun({ options, logger }: CleanUpOptions, memory: LastLeaseStore): Promise<IpPrefix[]> {
  const present = await readSubnetEnv(options.subnetFile, logger);
  const last = await memory.read();
  const all = [present?.network, present?.ipv6Network, last?.network, last?.ipv6Network].flatMap(
    (network) => network ?? [],
  );
  const networks = [...new Map(all.map((network) => [network.toString(), network])).values()];
  if (networks.length === 0)
    throw new TartanError('CLEANUP_NOTHING_KNOWN', { subnetFile: options.subnetFile, memory: memory.path });
  return networks;
}

interface OwnObject {
  readonly text: string;
  readonly op: KernelOp;
}

/** Routes with our protocol number, and vxlan devices that hold a subnet's address: both only inside `networks`. */
async function ownObjects(netlink: RtNetlink, networks: readonly IpPrefix[]): Promise<OwnObject[]> {
  const [routes, links, addresses] = await Promise.all([
    netlink.listRoutes({ protocol: ROUTE_PROTOCOL_TARTAN }),
    netlink.listLinks(),
    netlink.listAddresses(),
  ]);
  const inside = ({ dst }: Route): boolean => networks.some((network) => network.contains(dst));
  return [
    ...routes.filter(inside).map((route) => ({ text: `route ${route.dst.toString()}`, op: routeDelete(route) })),
    ...links
      .filter((link) => isOwnDevice(link, addresses, networks))
      .map(({ name, index }) => ({ text: `device ${name}`, op: { op: 'link-delete' as const, ifindex: index } })),
  ];
}

function routeDelete({ dst, metric, type, gateway, oif, table, protocol }: Route): KernelOp {
  return {
    op: 'route-delete',
    route: { dst, metric, type, table, protocol, ...(gateway && { gateway }), ...(oif !== undefined && { oif }) },
  };
}

function isOwnDevice(link: Link, addresses: readonly InterfaceAddress[], networks: readonly IpPrefix[]): boolean {
  if (link.kind !== 'vxlan' || !/^flannel(?:-v6)?\.\d+$/.test(link.name)) return false;
  return addresses.some(
    ({ ifindex, address }) => ifindex === link.index && networks.some((network) => network.contains(address)),
  );
}

async function removeFromKernel(
  objects: readonly OwnObject[],
  { netlink, options, tell }: CleanUpOptions,
): Promise<boolean> {
  for (const { text } of objects) tell(`  ${text}`);
  if (options.dryRun) return true;
  const results = await netlink.apply(objects.map(({ op }) => op));
  results.forEach((result, index) => {
    if (!result.ok) tell(`  ${objects[index]?.text ?? ''}: FAILED: ${result.error.message}`);
  });
  return results.every(({ ok }) => ok);
}

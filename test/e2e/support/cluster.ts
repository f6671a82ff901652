import { parseIpPrefix } from '@tartan/core';
import {
  Lab,
  eventually,
  type DaemonOptions,
  type EtcdCluster,
  type Host,
  type LabDaemon,
  type LabOptions,
} from '@tartan/lab';

export const PREFIX = '/coreos.com/network';

export interface ClusterOptions {
  readonly hosts?: number;
  readonly config?: Record<string, unknown>;
  readonly lab?: LabOptions;
  readonly daemon?: DaemonOptions;
}

/** Hosts with real daemons on real etcd, all ready, each with one pod. The lab is the caller's to destroy. */
export interface Cluster {
  readonly lab: Lab;
  readonly etcd: EtcdCluster;
  readonly hosts: readonly Host[];
  readonly daemons: readonly LabDaemon[];
}

export const HOST_GW = { Network: '10.5.0.0/16', Backend: { Type: 'host-gw' } };
/** 10.5.100.0 and above are left to peers and routes that a test makes up. */
export const HOST_GW_WITH_ROOM = { ...HOST_GW, SubnetMax: '10.5.99.0' };
export const HOST_GW_DUAL = { ...HOST_GW, EnableIPv6: true, IPv6Network: 'fc00:5::/48' };

/** Makes the cluster and waits until every daemon is ready and every route stands. The caller destroys the lab. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const lab = await Lab.create(options.lab ?? {});
  try {
    const etcd = await lab.startEtcd();
    await etcd.put(`${PREFIX}/config`, JSON.stringify(options.config ?? HOST_GW));
    const hosts = await lab.addHosts(options.hosts ?? 3);
    const daemons = await Promise.all(hosts.map((host) => host.startDaemon(options.daemon)));
    await Promise.all(daemons.map((daemon) => daemon.waitUntilReady()));
    await Promise.all(hosts.map((host) => host.addPod()));
    await converged(hosts);
    return { lab, etcd, hosts, daemons };
  } catch (error) {
    await explain(lab, error);
    await lab.destroy();
    throw error;
  }
}

/** A cluster for one test: whatever happens, the lab goes. */
export async function withCluster(options: ClusterOptions, body: (cluster: Cluster) => Promise<void>): Promise<void> {
  const cluster = await startCluster(options);
  try {
    await body(cluster);
  } catch (error) {
    await explain(cluster.lab, error);
    throw error;
  } finally {
    await cluster.lab.destroy();
  }
}

/**
 * One cluster for all tests of a file, since making one costs seconds. It is there before the first test and gone after the last; every
 * test leaves it as it found it: converged, all daemons ready.
 */
export function sharedCluster(options: ClusterOptions): {
  test(name: string, body: (cluster: Cluster) => Promise<void>): void;
} {
  let cluster: Cluster | undefined;
  beforeAll(async () => {
    cluster = await startCluster(options);
  });
  afterAll(() => cluster?.lab.destroy());
  return {
    test: (name, body) => {
      test(name, async () => {
        const present = cluster as Cluster;
        try {
          await body(present);
        } catch (error) {
          await explain(present.lab, error);
          throw error;
        }
      });
    },
  };
}

/** Adds to an error where the state of the lab can be read. */
async function explain(lab: Lab, error: unknown): Promise<void> {
  const where = await lab.writeDump(expect.getState().currentTestName ?? 'e2e').catch(String);
  if (error instanceof Error) error.message += `\n(state of the lab: ${where})`;
}

/** The only pod of a host. */
export function podOf(host: Host) {
  const [pod] = host.pods;
  if (!pod) throw new Error(`${host.name} has no pod`);
  return pod;
}

export interface KernelRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly protocol: string;
  /** Absent: unicast. */
  readonly type?: string;
}

/** Routes to peers: with our protocol number, both families. */
export async function ourRoutes(host: Host): Promise<KernelRoute[]> {
  const lists = await Promise.all(
    ['-4', '-6'].map((family) => host.ipJson<KernelRoute[]>(`${family} -N route show table main proto 158`)),
  );
  return lists.flat().filter(({ type }) => type === undefined);
}

/** Every host has a route to every other host's subnets, through that host, and no other of ours. */
export async function converged(hosts: readonly Host[], timeoutMs = 10_000): Promise<void> {
  await eventually(
    async () => {
      const subnets = await Promise.all(hosts.map(subnetsOf));
      for (const [index, host] of hosts.entries()) {
        const have = (await ourRoutes(host)).map(({ dst }) => dst).sort();
        const want = subnets
          .filter((_, other) => other !== index)
          .flat()
          .sort();
        if (JSON.stringify(have) !== JSON.stringify(want)) {
          throw new Error(`${host.name} routes ${JSON.stringify(have)}, wanted ${JSON.stringify(want)}`);
        }
      }
    },
    { timeoutMs, what: 'every host has exactly the routes to the others' },
  );
}

/** The networks of a host's subnet.env, as `ip route` prints them. */
export async function subnetsOf(host: Host): Promise<string[]> {
  const text = (await host.run(['cat', host.subnetFile])).stdout;
  return [...text.matchAll(/^FLANNEL(?:_IPV6)?_SUBNET=(.*)$/gm)].map(([, subnet = '']) =>
    parseIpPrefix(subnet).toString(),
  );
}

/** Milliseconds until `condition` holds. */
/** Waits until a host remembers peers with these subnets: what it starts from where no datastore answers. */
export async function remembers(host: Host, subnets: readonly string[]): Promise<void> {
  const remembered = async (): Promise<string[]> => {
    const { stdout } = await host.run(['sh', '-c', `cat ${host.directory}/var/lib/tartan/cluster-*.json`]);
    const { peers } = JSON.parse(stdout) as { readonly peers: readonly { readonly subnet: string }[] };
    return peers.map(({ subnet }) => subnet).sort();
  };
  await eventually(async () => expect(await remembered()).toEqual(subnets), {
    timeoutMs: 60_000,
    what: `${host.name} remembers its peers`,
  });
}

export async function timed(condition: () => Promise<boolean>, timeoutMs = 10_000): Promise<number> {
  const start = performance.now();
  await eventually(condition, { timeoutMs, intervalMs: 2 });
  return performance.now() - start;
}

/** Keys below the prefix's subnets, without it: `10.5.1.0-24`. */
export async function leaseKeys(etcd: EtcdCluster, prefix = PREFIX): Promise<string[]> {
  const text = await etcd.etcdctl(['get', '--prefix', '--keys-only', `${prefix}/subnets/`]);
  return text
    .split(/\s+/)
    .filter((key) => key !== '')
    .map((key) => key.slice(`${prefix}/subnets/`.length));
}

/** The key of a host's lease, from its subnet file: `10.5.1.0-24`. */
export async function keyOf(host: Host): Promise<string> {
  return (await subnetsOf(host)).map((subnet) => subnet.replace('/', '-')).join('&');
}

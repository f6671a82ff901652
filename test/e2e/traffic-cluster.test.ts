import { readFileSync } from 'node:fs';
import { eventually, type Host, type LabDaemon, type NetworkNamespace } from '@tartan/lab';
import { HOST_GW_DUAL, podOf, sharedCluster, type Cluster } from './support/cluster';

const IPV4 = '192.168.50.254';
const IPV6 = 'fd50::fe';
const MARKED_PORT = 7001;
let port = 20_000;

/** Source addresses of what arrives when `from` sends one datagram to `to`; null when nothing does. */
async function sourceSeen(
  from: NetworkNamespace,
  to: NetworkNamespace,
  address: string,
  toPort = (port += 1),
): Promise<string | null> {
  const capture = await to.capture({ filter: `udp and dst port ${toPort}` });
  try {
    await from.run(['bash', '-c', `printf x > /dev/udp/${address}/${toPort}`]);
    const line = await eventually(async () => (await capture.lines())[0] ?? false, {
      timeoutMs: 1_000,
      intervalMs: 10,
    }).catch(() => '');
    return /IP6? (\S+)\.\d+ > /.exec(line)?.[1] ?? null;
  } finally {
    await capture.stop();
  }
}

/** What Docker does when it starts, and what kube-proxy does to packets that it wants masqueraded. */
async function roughenUp(host: Host): Promise<void> {
  const docker = ['iptables', 'ip6tables'].flatMap((program) => [
    `${program} -w -P FORWARD DROP`,
    `${program} -w -N DOCKER-USER`,
    `${program} -w -I FORWARD -j DOCKER-USER`,
    `${program} -w -A FORWARD -o docker0 -j DROP`,
  ]);
  await host.run(['sh', '-e'], { input: `${docker.join('\n')}\n` });
  await host.nft(
    `table inet kube-proxy-like { chain pre { type filter hook prerouting priority -150; udp dport ${MARKED_PORT} meta mark set meta mark | 0x4000; }; }`,
  );
}

function outsideOf({ lab }: Cluster): NetworkNamespace {
  return lab.switch;
}

/** Processor time in milliseconds: the daemon's own, and that of the programs that it ran and that have ended (proc(5): ticks of 10 ms). */
function cpuMs(daemon: LabDaemon): { readonly own: number; readonly programs: number } {
  const fields = readFileSync(`/proc/${daemon.process.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const [user, system, childUser, childSystem] = fields.slice(11, 15).map((ticks) => Number(ticks) * 10);
  return { own: user! + system!, programs: childUser! + childSystem! };
}

async function passes(daemon: LabDaemon): Promise<number> {
  const { body } = await daemon.health('/v1/status');
  return (JSON.parse(body) as { readonly traffic: { readonly passes: number } }).traffic.passes;
}

describe.each(['nftables', 'iptables'] as const)('three hosts under Docker, --traffic-manager=%s', (mode) => {
  const { test } = sharedCluster({
    hosts: 3,
    config: HOST_GW_DUAL,
    lab: { underlayIpv6: 'fd50::/64' },
    daemon: { args: ['--ip-masq', `--traffic-manager=${mode}`, '--iptables-resync=1'] },
  });

  test('pods get through hosts that begin to drop what they forward, in both families', async ({ hosts }) => {
    await Promise.all(hosts.map(roughenUp));
    for (const from of hosts) {
      for (const to of hosts.filter((host) => host !== from)) {
        await eventually(() => podOf(from).reaches(podOf(to).ipv4), { what: `${from.name} reaches ${to.name}` });
        await eventually(() => podOf(from).reaches(podOf(to).ipv6), {
          what: `${from.name} reaches ${to.name} in IPv6`,
        });
      }
    }
  });

  test('the outside sees the host, pods see each other', async (cluster) => {
    const outside = outsideOf(cluster);
    const [one, two] = cluster.hosts as [Host, Host];
    expect(await sourceSeen(podOf(one), outside, IPV4)).toBe(one.ipv4);
    expect(await sourceSeen(podOf(one), outside, IPV6)).toBe(one.ipv6);
    expect(await sourceSeen(podOf(one), two, two.ipv4)).toBe(one.ipv4);
    expect(await sourceSeen(podOf(one), podOf(two), podOf(two).ipv4)).toBe(podOf(one).ipv4);
    expect(await sourceSeen(podOf(one), podOf(two), podOf(two).ipv6)).toBe(podOf(one).ipv6);
    expect(await sourceSeen(one, podOf(two), podOf(two).ipv4)).toBe(one.ipv4);
  });

  test('what kube-proxy has marked is left to it', async (cluster) => {
    const pod = podOf(cluster.hosts[0]!);
    expect(await sourceSeen(pod, outsideOf(cluster), IPV4, MARKED_PORT)).toBe(pod.ipv4);
    expect(await sourceSeen(pod, outsideOf(cluster), IPV6, MARKED_PORT)).toBe(pod.ipv6);
  });

  test('a killed daemon leaves the rules, and the next one finds them right', async (cluster) => {
    const [one] = cluster.hosts as [Host];
    const [daemon] = cluster.daemons as [LabDaemon];
    const list = async (): Promise<string> =>
      (await one.run(['sh', '-c', 'nft -a -s list ruleset 2>/dev/null'])).stdout;
    const before = await list();
    await daemon.kill();
    expect(await sourceSeen(podOf(one), outsideOf(cluster), IPV4)).toBe(one.ipv4);
    await daemon.start();
    await daemon.waitUntilReady();
    expect(await list()).toBe(before);
  });

  test('ten thousand rules of others cost a look less than 50 ms of processor time', async ({ hosts, daemons }) => {
    const [one] = hosts as [Host];
    const [daemon] = daemons as [LabDaemon];
    // In portions: without privilege on the host a netlink socket takes no larger transaction.
    for (let portion = 0; portion < 100; portion++) {
      const lines = Array.from(
        { length: 100 },
        (_, index) => `-A BIG -s 10.${portion}.${index >> 8}.${index & 255}/32 -p tcp -j RETURN`,
      );
      const chain = portion < 2 ? [':BIG - [0:0]'] : [];
      const input = [`*${portion % 2 === 0 ? 'nat' : 'filter'}`, ...chain, ...lines, 'COMMIT', ''].join('\n');
      await one.run(['iptables-restore', '--noflush', '--wait'], { input });
    }
    const lookAround = async (round: number): Promise<void> => {
      const seen = await passes(daemon);
      // Where nothing has changed in nftables a look has nothing to do.
      await one.nft(`${round % 2 === 0 ? 'add' : 'delete'} table inet somebody`);
      // One may have begun before the change.
      await eventually(async () => (await passes(daemon)) >= seen + 2, { timeoutMs: 20_000, intervalMs: 250 });
    };
    await lookAround(0);
    const rounds = 6;
    const cpu = cpuMs(daemon);
    for (let round = 1; round <= rounds; round++) await lookAround(round);
    const after = cpuMs(daemon);
    const [programs, own] = [(after.programs - cpu.programs) / rounds, (after.own - cpu.own) / rounds];
    console.log(
      `${mode}: ${programs.toFixed(0)} ms of processor time in programs per change by others, and ${own.toFixed(0)} ms in the daemon, all else that it did included`,
    );
    expect(programs).toBeLessThan(50);
  });

  test('readiness and metrics tell of the rules, and of their repair', async ({ hosts, daemons }) => {
    const [one] = hosts as [Host];
    const [daemon] = daemons as [LabDaemon];
    const { body } = await daemon.health('/readyz?verbose');
    expect(body).toContain('traffic-rules');
    const { body: metrics } = await daemon.health('/metrics');
    expect(metrics).toContain('tartan_traffic_rules_in_force 1');
    await one.run(['sh', '-c', 'nft flush ruleset']);
    await eventually(async () => (await daemon.health('/metrics')).body.includes('reason="drift"'), {
      what: 'the repair is counted',
    });
    expect(await podOf(one).reaches(IPV4)).toBe(true);
  });
});

describe('--masq-node-traffic=false and --non-masquerade-cidrs', () => {
  const args = [
    '--ip-masq',
    '--masq-node-traffic=false',
    '--non-masquerade-cidrs=192.168.50.252/30,fd50::fc/126',
    '--traffic-manager=nftables',
  ];
  const { test } = sharedCluster({
    hosts: 2,
    config: HOST_GW_DUAL,
    lab: { underlayIpv6: 'fd50::/64' },
    daemon: { args },
  });

  test('nodes and excluded networks see pods, also nodes that come later', async (cluster) => {
    const [one, two] = cluster.hosts as [Host, Host];
    const pod = podOf(one);
    expect(await sourceSeen(pod, outsideOf(cluster), IPV4)).toBe(pod.ipv4);
    expect(await sourceSeen(pod, outsideOf(cluster), IPV6)).toBe(pod.ipv6);
    expect(await sourceSeen(pod, two, two.ipv4)).toBe(pod.ipv4);
    expect(await sourceSeen(pod, two, two.ipv6)).toBe(pod.ipv6);
    const three = await cluster.lab.addHost({ name: 'host3' });
    expect(await sourceSeen(pod, three, three.ipv4)).toBe(one.ipv4);
    const daemon = await three.startDaemon({ args });
    await daemon.waitUntilReady();
    await eventually(async () => (await sourceSeen(pod, three, three.ipv4)) === pod.ipv4, {
      what: 'the new node sees the pod',
    });
  });
});

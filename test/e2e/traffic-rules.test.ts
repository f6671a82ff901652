import { eventually } from '@tartan/lab';
import { type Cluster, podOf, startCluster, subnetsOf, timed } from './support/cluster';

/** The switch stands for the outside: it knows the hosts, and has no route to any pod. */
const OUTSIDE = '192.168.50.254';

async function ruleset(cluster: Cluster, index = 0): Promise<string> {
  return (await cluster.hosts[index]!.run(['nft', 'list', 'ruleset'])).stdout;
}

describe.each(['nftables', 'iptables'] as const)('--traffic-manager=%s', (mode) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({
      hosts: 2,
      daemon: { args: ['--ip-masq', '--ip-blackhole-route', `--traffic-manager=${mode}`, '--iptables-resync=1'] },
    });
  });
  afterAll(() => cluster.lab.destroy());

  test('pods reach the outside with the address of their host, and each other with their own', async () => {
    const [one, two] = cluster.hosts;
    expect(await podOf(one!).reaches(OUTSIDE)).toBe(true);
    const outside = await cluster.lab.switch.capture({ filter: `icmp and src host ${one!.ipv4}` });
    const inside = await podOf(two!).capture({ filter: `icmp and src host ${podOf(one!).ipv4}` });
    await podOf(one!).ping(OUTSIDE, { count: 2 });
    await podOf(one!).ping(podOf(two!).ipv4, { count: 2 });
    expect((await outside.stop()).packets).toBeGreaterThanOrEqual(2);
    expect((await inside.stop()).packets).toBeGreaterThanOrEqual(2);
  });

  test('rules that somebody flushed are back', async () => {
    const [one] = cluster.hosts;
    await (mode === 'nftables' ? one!.run(['nft', 'flush', 'ruleset']) : one!.run(['iptables', '-t', 'nat', '-F']));
    const ms = await timed(() => podOf(one!).reaches(OUTSIDE, { timeoutMs: 100 }), 5_000);
    console.log(`${mode}: masquerade back after ${ms.toFixed(0)} ms (with the cost of looking)`);
    expect(ms).toBeLessThan(mode === 'nftables' ? 1_500 : 3_000);
  });

  test('addresses of pods that do not exist end in the blackhole of their host', async () => {
    const [one] = cluster.hosts;
    const [subnet = ''] = await subnetsOf(one!);
    expect(await one!.ip('route show type blackhole')).toContain(subnet);
  });

  test('rules of the network that the subnet file remembers go at the next start', async () => {
    const two = cluster.hosts[1]!;
    const daemon = cluster.daemons[1]!;
    await daemon.stop();
    await two.run(['sed', '-i', 's|^FLANNEL_NETWORK=.*|FLANNEL_NETWORK=10.99.0.0/16|', daemon.subnetFile]);
    const stale = {
      nftables: 'nft add rule ip flannel-ipv4 postrtg ip saddr 10.99.0.0/16 ip daddr != 224.0.0.0/4 masquerade',
      iptables: 'iptables -w -t nat -A FLANNEL-POSTRTG -s 10.99.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE',
    };
    await two.run(stale[mode].split(' '));
    expect(await ruleset(cluster, 1)).toContain('10.99.0.0/16');
    await daemon.start();
    await daemon.waitUntilReady();
    expect(await ruleset(cluster, 1)).not.toContain('10.99.0.0/16');
    expect(await podOf(two).reaches(OUTSIDE)).toBe(true);
  });

  test('--cleanup lists, then removes what is ours and nothing else', async () => {
    const [one] = cluster.hosts;
    const daemon = cluster.daemons[0]!;
    await one!.run(['nft', 'add', 'table', 'ip', 'somebody-else']);
    await one!.ip('route add 172.30.0.0/16 via 192.168.50.254');
    await daemon.stop();
    const before = await ruleset(cluster);
    const dry = await one!.runAsMachine([...daemon.commandLine, '--cleanup', '--dry-run']);
    expect(dry.stdout).toContain('would remove');
    expect(await ruleset(cluster)).toBe(before);
    // Without anything that names the network, the same rules, routes and devices are found by their marks.
    const elsewhere = ['--subnet-file=/nonexistent/subnet.env', '--state-dir=/nonexistent', '--kube-subnet-mgr'];
    const found = await one!.runAsMachine([...daemon.commandLine, '--cleanup', '--dry-run', ...elsewhere]);
    const objects = (text: string): string[] =>
      text.split('\n').slice(1).filter((line) => !line.startsWith('  file ')); // prettier-ignore
    expect(objects(found.stdout)).toEqual(objects(dry.stdout));
    const done = await one!.runAsMachine([...daemon.commandLine, '--cleanup']);
    expect(done.stdout.replace('removing', 'would remove')).toBe(dry.stdout);
    const after = await ruleset(cluster);
    expect(after).toContain('somebody-else');
    expect(after).not.toMatch(/flannel/i);
    expect(await one!.ip('route show table main')).toContain('172.30.0.0/16');
    expect(await one!.ip('route show table main')).not.toMatch(/10\.5\.\d+\.0\/24 (?!dev cni0)|blackhole/);
    await eventually(
      async () => (await one!.run(['test', '-e', daemon.subnetFile], { allowFailure: true })).exitCode !== 0,
    );
  });
});

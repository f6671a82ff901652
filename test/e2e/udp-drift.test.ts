import { eventually, faults, type Host } from '@tartan/lab';
import { converged, ourRoutes, podOf, sharedCluster, timed, withCluster, type Cluster } from './support/cluster';
import { UDP, UDP_DUAL } from './support/udp';
import { fits } from './support/vxlan';

const REPAIR_MS = 1_000;

type Two = readonly [Host, Host];

const cluster = sharedCluster({ hosts: 2, config: UDP, daemon: { publicIp: null } });

function onTwo(name: string, body: (hosts: Two, all: Cluster) => Promise<void>): void {
  cluster.test(name, (all) => body(all.hosts as unknown as Two, all));
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  onTwo(
    `${signal} and restart under 1,000 packets/s: device and routes stay, packets flow again`,
    async (hosts, all) => {
      const [one, two] = hosts;
      const index = async (): Promise<string> => (await one.ip('-o link show flannel0')).split(':')[0] ?? '';
      const before = await index();
      const stream = await all.lab.stream({ from: podOf(one), to: podOf(two) });
      const startedAt = performance.now();
      await all.daemons[0]!.restart({ signal });
      const downMs = performance.now() - startedAt;
      await all.daemons[0]!.waitUntilReady();
      expect(await index()).toBe(before);
      await converged([one, two]);
      const { sent, lost, longestGapMs } = await stream.stop();
      console.log(
        `${signal}: ${lost} of ${sent} packets lost, longest silence ${longestGapMs.toFixed(0)} ms, ` +
          `the old process was gone after ${downMs.toFixed(0)} ms`,
      );
      // How long it takes depends on the machine and its load; nobody has measured it on one at rest.
      expect(lost).toBeLessThan(sent);
      const after = await all.lab.stream({ from: podOf(one), to: podOf(two), maxPackets: 500, echo: true });
      const report = await after.stop();
      expect({ lost: report.lost, back: report.back?.lost }).toEqual({ lost: 0, back: 0 });
    },
  );
}

const disturbances = [
  { what: 'the TUN is deleted', disturb: (host: Host) => faults.deleteLink(host, 'flannel0') },
  { what: 'the TUN is down', disturb: (host: Host) => host.ip('link set flannel0 down') },
  { what: 'every route is flushed', disturb: (host: Host) => host.run(['ip', 'route', 'flush', 'proto', '158']) },
  { what: 'the TUN has another MTU', disturb: (host: Host) => host.ip('link set flannel0 mtu 1300') },
  { what: 'its address is gone', disturb: (host: Host) => host.ip('address flush dev flannel0') },
] as const;

for (const { what, disturb } of disturbances) {
  onTwo(`within a second all is as it was when ${what}`, async ([one, two], { lab }) => {
    const look = async (): Promise<string> =>
      JSON.stringify([
        (await one.ip('-o address show dev flannel0')).replace(/^\d+/gm, ''),
        /mtu \d+/.exec(await one.ip('-o link show flannel0'))?.[0],
        (await ourRoutes(one)).length,
        (await one.ip('route show type unreachable')).trim(),
      ]);
    const before = await look();
    const stream = await lab.stream({ from: podOf(one), to: podOf(two), echo: true });
    await disturb(one);
    const ms = await timed(async () => (await look().catch(() => '')) === before);
    await eventually(() => podOf(one).reaches(podOf(two).ipv4), { what: 'pods reach each other again' });
    const { back } = await stream.stop();
    console.log(`${what}: all back after ${ms.toFixed(0)} ms, longest silence ${back?.longestGapMs.toFixed(0)} ms`);
    expect(ms).toBeLessThan(REPAIR_MS);
  });
}

onTwo('a packet that is too large for the tunnel is answered with its MTU', async ([one, two]) => {
  const [port] = await one.ipJson<{ ifname: string }[]>('link show master cni0');
  for (const ifname of [port!.ifname, 'cni0']) await one.ip(`link set ${ifname} mtu 1500`);
  await podOf(one).ip('link set eth0 mtu 1500');
  const { stdout, stderr } = await podOf(one).run(
    ['ping', '-n', '-c', '1', '-W', '2', '-M', 'do', '-s', '1472', podOf(two).ipv4],
    { allowFailure: true },
  );
  expect(`${stdout}${stderr}`).toMatch(/mtu ?= ?1472/i);
});

test('a changed MTU of the uplink changes the device and subnet.env', () =>
  withCluster({ hosts: 2, config: UDP_DUAL, lab: { underlayIpv6: 'fd50::/64' } }, async ({ hosts, daemons }) => {
    const [one, two] = hosts as unknown as Two;
    await one.ip('link set eth0 mtu 1400');
    const ms = await timed(async () => (await daemons[0]!.subnetEnv()).mtuBytes === 1372);
    await eventually(async () => (await one.ip('link show flannel0')).includes('mtu 1372'), { what: 'the device' });
    for (const family of [4, 6] as const) expect(await fits(podOf(one), podOf(two), family, 1372)).toBe(true);
    console.log(`changed uplink MTU: in subnet.env after ${ms.toFixed(0)} ms`);
    expect(ms).toBeLessThan(REPAIR_MS);
  }));

import { eventually, faults, type Host } from '@tartan/lab';
import {
  converged,
  ourRoutes,
  podOf,
  subnetsOf,
  sharedCluster,
  timed,
  withCluster,
  type Cluster,
  type ClusterOptions,
} from './support/cluster';
import { fdbOf, fits, macOf, neighboursOf, VXLAN, VXLAN_DUAL } from './support/vxlan';

/** Issue: everything is back within 1 s. */
const REPAIR_MS = 1_000;

type Two = readonly [Host, Host];

function optionsOf(config: object): ClusterOptions {
  return { hosts: 2, config: { ...config }, lab: { underlayIpv6: 'fd50::/64' }, daemon: { publicIp: null } };
}

/** For all tests but the last; the tests that change addresses come last. */
const cluster = sharedCluster(optionsOf(VXLAN));

function onTwo(name: string, body: (hosts: Two, all: Cluster) => Promise<void>): void {
  cluster.test(name, (all) => body(all.hosts as unknown as Two, all));
}

/** Everything on the device as text. */
async function deviceState(host: Host): Promise<string> {
  return JSON.stringify([await fdbOf(host), await neighboursOf(host), await subnetsOf(host)]);
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  onTwo(
    `${signal} and restart under 1,000 packets/s in both directions lose nothing`,
    async ([one, two], { lab, daemons }) => {
      const stream = await lab.stream({ from: podOf(one), to: podOf(two), echo: true });
      const macs = [await macOf(one), await macOf(two)];
      for (const daemon of daemons) {
        await daemon.restart({ signal });
        await daemon.waitUntilReady();
      }
      await converged([one, two]);
      const { sent, lost, back, sendErrors } = await stream.stop();
      expect(sent).toBeGreaterThan(1_000);
      expect({ lost, back: back?.lost, sendErrors }).toEqual({ lost: 0, back: 0, sendErrors: 0 });
      expect([await macOf(one), await macOf(two)]).toEqual(macs);
    },
  );
}

onTwo('the same start over and over changes nothing, and stopping removes nothing', async ([one, two], { daemons }) => {
  const before = await deviceState(one);
  await daemons[0]!.stop();
  expect(await deviceState(one)).toBe(before);
  expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(true);
  await daemons[0]!.start();
  await daemons[0]!.waitUntilReady();
  await converged([one, two]);
  expect(await deviceState(one)).toBe(before);
});

interface Disturbance {
  readonly what: string;
  readonly disturb: (host: Host) => Promise<unknown>;
  /** Longest silence in the flow of packets; default REPAIR_MS. */
  readonly silenceMs?: number;
}

const disturbances: readonly Disturbance[] = [
  { what: 'the device is deleted', disturb: (host) => faults.deleteLink(host, 'flannel.1') },
  // Here too: the kernel asks for the peer's MAC again, and repeats a lost request after a second.
  { what: 'the uplink flaps', disturb: (host) => faults.flapLink(host), silenceMs: 3 * REPAIR_MS },
  {
    what: 'the uplink is replaced by an equal one',
    disturb: (host) => faults.replaceInterface(host),
    // The first ARP request for the peer may come before the new port forwards; the kernel repeats it after a second.
    silenceMs: 3 * REPAIR_MS,
  },
  {
    what: 'every entry on the device is flushed',
    disturb: (host) => host.run(['ip', 'neigh', 'flush', 'dev', 'flannel.1', 'nud', 'all']),
  },
  { what: 'every route is flushed', disturb: (host) => host.run(['ip', 'route', 'flush', 'proto', '158']) },
  {
    what: 'the device gets another MAC',
    disturb: (host) => host.ip('link set flannel.1 address 02:99:99:99:99:99'),
  },
];

for (const { what, disturb, silenceMs = REPAIR_MS } of disturbances) {
  onTwo(`within a second all is as it was when ${what}`, async ([one, two], { lab }) => {
    const look = async (): Promise<string> =>
      JSON.stringify([await fdbOf(one), await neighboursOf(one), await macOf(one), (await ourRoutes(one)).length]);
    const before = await look();
    const stream = await lab.stream({ from: podOf(one), to: podOf(two), echo: true });
    await disturb(one);
    const ms = await timed(async () => (await look().catch(() => '')) === before);
    await eventually(() => podOf(one).reaches(podOf(two).ipv4), { what: 'pods reach each other again' });
    const { back } = await stream.stop();
    console.log(`${what}: all back after ${ms.toFixed(0)} ms, longest silence ${back?.longestGapMs.toFixed(0)} ms`);
    expect(ms).toBeLessThan(REPAIR_MS);
    expect(back?.longestGapMs).toBeLessThan(silenceMs);
  });
}

onTwo('a foreign address on the device goes, and a router on the overlay gives it none', async ([one]) => {
  await one.ip('address add 192.168.77.7/24 dev flannel.1');
  await eventually(async () => !(await one.ip('address show dev flannel.1')).includes('192.168.77.7'), {
    what: 'the foreign address is gone',
  });
  const { stdout } = await one.run(['cat', '/proc/sys/net/ipv6/conf/flannel.1/accept_ra']);
  expect(stdout.trim()).toBe('0');
});

onTwo('a changed address of the uplink reaches the peers, and nothing of the old one stays', async ([one, two]) => {
  const mac = await macOf(one);
  await one.ip(`address del ${one.ipv4}/24 dev eth0`);
  await one.ip('address add 192.168.50.77/24 dev eth0');
  const ms = await timed(async () => JSON.stringify(await fdbOf(two)) === JSON.stringify([`${mac} 192.168.50.77`]));
  await eventually(() => podOf(one).reaches(podOf(two).ipv4), { what: 'pods reach each other again' });
  expect(await one.ip('-d link show flannel.1')).toContain('local 192.168.50.77');
  expect(await macOf(one)).toBe(mac);
  console.log(`changed uplink address: at the peer after ${ms.toFixed(0)} ms`);
  expect(ms).toBeLessThan(REPAIR_MS);
});

test('a changed MTU of the uplink changes the devices and subnet.env', () =>
  withCluster(optionsOf(VXLAN_DUAL), async ({ hosts, daemons }) => {
    const [one, two] = hosts as unknown as Two;
    await one.ip('link set eth0 mtu 1400');
    const ms = await timed(async () => (await daemons[0]!.subnetEnv()).mtuBytes === 1330);
    await eventually(async () => (await one.ip('link show flannel.1')).includes('mtu 1350'), { what: 'IPv4 device' });
    await eventually(async () => (await one.ip('link show flannel-v6.1')).includes('mtu 1330'), {
      what: 'IPv6 device',
    });
    expect(await fits(podOf(one), podOf(two), 4, 1330)).toBe(true);
    console.log(`changed uplink MTU: in subnet.env after ${ms.toFixed(0)} ms`);
    expect(ms).toBeLessThan(REPAIR_MS);
  }));

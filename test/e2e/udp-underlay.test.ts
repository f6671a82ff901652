import { eventually, faults, type Host } from '@tartan/lab';
import { podOf, sharedCluster, type Cluster } from './support/cluster';
import { whileReordering } from './support/reordering-wire';
import { segmentOnTheWire, tunnelDatagrams, UDP_DUAL } from './support/udp';
import { fits, transfer } from './support/vxlan';

/* What the network between the hosts may do to the tunnel's datagrams: reorder them, lose some, and change its MTU meanwhile. */

const cluster = sharedCluster({ hosts: 2, config: UDP_DUAL, lab: { underlayIpv6: 'fd50::/64' } });

type Two = readonly [Host, Host];

/** TCP one way in IPv4 and the other way in IPv6; every byte must be what was sent. */
async function transferBothWays([one, two]: Two, mebibytes: number): Promise<void> {
  const [sent, received] = await transfer(podOf(one), podOf(two), podOf(two).ipv4, mebibytes);
  expect(received).toBe(sent);
  const [sentBack, receivedBack] = await transfer(podOf(two), podOf(one), podOf(one).ipv6, mebibytes);
  expect(receivedBack).toBe(sentBack);
}

cluster.test('datagrams that overtake each other: nothing is lost, twice there, or changed', async ({ hosts, lab }) => {
  const [one, two] = hosts as unknown as Two;
  const overtaken = await whileReordering(two, [one], async () => {
    await transferBothWays([one, two], 2);
    const stream = await lab.stream({ from: podOf(one), to: podOf(two), maxPackets: 1000, echo: true });
    await eventually(() => !stream.running, { timeoutMs: 20_000, what: 'all packets were sent' });
    const { sent, lost, duplicates, reordered, back } = await stream.stop();
    expect({ sent, lost, duplicates, lostBack: back?.lost }).toEqual({
      sent: 1000,
      lost: 0,
      duplicates: 0,
      lostBack: 0,
    });
    expect(reordered).toBeGreaterThan(0);
  });
  expect(overtaken).toBeGreaterThan(200);
});

cluster.test('datagrams that overtake each other and that are lost: TCP delivers every byte', async ({ hosts }) => {
  const [one, two] = hosts as unknown as Two;
  const lossy = { match: 'udp dport 8285', hook: 'prerouting', oneIn: 50 } as const;
  const drops = [await faults.drop(one, lossy), await faults.drop(two, lossy)];
  const overtaken = await whileReordering(two, [one], () => transferBothWays([one, two], 1));
  expect(overtaken).toBeGreaterThan(100);
  for (const drop of drops) {
    expect(await drop.dropped()).toBeGreaterThan(5);
    await drop.heal();
  }
});

/** Of both cards, and waits until the daemons have taken it over. */
async function setUnderlayMtu({ hosts, daemons }: Cluster, mtuBytes: number): Promise<void> {
  for (const host of hosts) await host.ip(`link set eth0 mtu ${mtuBytes}`);
  const inner = mtuBytes - 28;
  for (const [index, host] of hosts.entries()) {
    await eventually(async () => (await daemons[index]?.subnetEnv())?.mtuBytes === inner, {
      what: `subnet.env of ${host.name} has ${inner}`,
    });
    await eventually(async () => (await host.ip('link show flannel0')).includes(`mtu ${inner} `), {
      what: `flannel0 of ${host.name} has ${inner}`,
    });
  }
}

cluster.test(
  'the MTU changes while traffic flows: device and subnet.env follow, every byte arrives, no datagram is too large or a fragment',
  async (all) => {
    const [one, two] = all.hosts as unknown as Two;
    for (const host of [one, two]) await segmentOnTheWire(host);
    const whole = await one.capture({
      ifname: 'eth0',
      filter: 'udp or ip[6:2] & 0x3fff != 0 or ip6[6] == 44',
      snapBytes: 100,
    });
    const traffic = { flowing: true };
    const transfers = transferBothWays([one, two], 4).finally(() => (traffic.flowing = false));
    // Rejections are for the await below.
    transfers.catch(() => undefined);
    let mtuBytes = 1500;
    while (traffic.flowing || mtuBytes === 1500) {
      mtuBytes = mtuBytes === 1500 ? 1400 : 1500;
      await setUnderlayMtu(all, mtuBytes);
    }
    await transfers;
    await whole.stop();
    const changing = tunnelDatagrams(whole.file);
    expect(changing.filter(({ fragment, outerBytes }) => fragment || outerBytes > 1500)).toEqual([]);

    const after = await one.capture({ ifname: 'eth0', filter: 'udp port 8285 or ip6[6] == 44' });
    await transferBothWays([one, two], 1);
    await after.stop();
    const datagrams = tunnelDatagrams(after.file);
    expect(Math.max(...datagrams.map(({ outerBytes }) => outerBytes))).toBe(1400);
    expect(datagrams.filter(({ fragment, checksumRight }) => fragment || checksumRight === false)).toEqual([]);
    for (const family of [4, 6] as const) expect(await fits(podOf(one), podOf(two), family, 1372)).toBe(true);

    await setUnderlayMtu(all, 1500);
    for (const host of all.hosts) {
      for (const family of ['-4', '-6']) await podOf(host).ip(`${family} route flush cache`);
    }
    for (const family of [4, 6] as const) expect(await fits(podOf(one), podOf(two), family, 1472)).toBe(true);
  },
);

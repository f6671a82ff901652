import { eventually, faults } from '@tartan/lab';
import { HOST_GW_WITH_ROOM, converged, ourRoutes, podOf, sharedCluster, subnetsOf, timed } from './support/cluster';

const cluster = sharedCluster({ config: HOST_GW_WITH_ROOM, hosts: 2, daemon: { publicIp: null } });

cluster.test('a deleted route is back within 100 ms', async ({ hosts }) => {
  const [one, two] = hosts;
  const [subnet = ''] = await subnetsOf(two!);
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    await faults.deleteRoute(one!, subnet);
    times.push(await timed(async () => (await ourRoutes(one!)).length === 1));
  }
  const median = times.sort((a, b) => a - b)[2]!;
  console.log(
    `deleted route back: median ${median.toFixed(0)} ms of ${times.map((time) => time.toFixed(0)).join(', ')} (with the cost of looking)`,
  );
  expect(median).toBeLessThan(100);
});

cluster.test(
  'routes are back after a link flap and, under load, after the interface was made anew',
  async ({ lab, hosts }) => {
    const [one, two] = hosts;
    await faults.flapLink(one!);
    await converged(hosts);
    expect(await podOf(one!).reaches(podOf(two!).ipv4)).toBe(true);

    const stream = await lab.stream({ from: podOf(one!), to: podOf(two!) });
    await faults.replaceInterface(one!);
    const ms = await timed(async () => (await ourRoutes(one!)).length === 1);
    await converged(hosts);
    await eventually(() => podOf(one!).reaches(podOf(two!).ipv4), {
      what: 'pods reach each other over the new interface',
    });
    const { longestGapMs } = await stream.stop();
    console.log(
      `interface made anew: route back after ${ms.toFixed(0)} ms, longest silence ${longestGapMs.toFixed(0)} ms`,
    );
    expect(longestGapMs).toBeLessThan(2_000);
  },
);

cluster.test(
  'routes that flanneld left behind are adopted or swept; foreign ones are never touched',
  async ({ hosts, daemons }) => {
    const [one, two] = hosts;
    const [subnet = ''] = await subnetsOf(two!);
    await daemons[0]!.stop();
    await one!.ip(`route del ${subnet}`);
    // As flanneld's host-gw writes them: protocol boot, via a peer. One that is still right, one of a lease that is gone.
    await one!.ip(`route add ${subnet} via ${two!.ipv4} dev eth0 proto boot`);
    await one!.ip(`route add 10.5.250.0/24 via ${two!.ipv4} dev eth0 proto boot`);
    await one!.ip(`route add 10.5.251.0/24 via 192.168.50.254 dev eth0 proto static`);
    await one!.ip(`route add 172.30.0.0/16 via ${two!.ipv4} dev eth0 proto boot`);
    await daemons[0]!.start();
    await daemons[0]!.waitUntilReady();
    await converged(hosts);
    const rest = await one!.ip('route show table main');
    expect(rest.split('\n').filter((line) => line.startsWith(subnet))).toHaveLength(1);
    expect(rest).not.toContain('10.5.250.0/24');
    expect(rest).toContain('10.5.251.0/24');
    expect(rest).toContain('172.30.0.0/16');
  },
);

cluster.test('a foreign route in our place is kept, and named with its cure', async ({ hosts, daemons }) => {
  const [one, two] = hosts;
  const [subnet = ''] = await subnetsOf(two!);
  await daemons[0]!.stop();
  await one!.ip(`route del ${subnet}`);
  await one!.ip(`route add ${subnet} via 192.168.50.254 dev eth0 proto static`);
  await daemons[0]!.start();
  const page = await eventually(
    async () => {
      const { body } = await daemons[0]!.health('/v1/status');
      return body.includes('ROUTE_CONFLICT') ? body : false;
    },
    { what: 'the conflict is shown' },
  );
  expect(page).toContain('static');
  expect(await one!.ip('route show proto static')).toContain(subnet);
  await one!.ip(`route del ${subnet} proto static`);
  await converged(hosts);
});

cluster.test('a changed address of the uplink reaches the peers without a restart', async ({ hosts, daemons }) => {
  const [one, two] = hosts;
  const [subnet = ''] = await subnetsOf(one!);
  await one!.ipBatch([
    `address del ${one!.ipv4}/24 dev eth0`,
    'address add 192.168.50.77/24 dev eth0',
    'route add default via 192.168.50.254 dev eth0',
  ]);
  await eventually(
    async () => (await ourRoutes(two!)).some(({ dst, gateway }) => dst === subnet && gateway === '192.168.50.77'),
    {
      what: 'the peer routes via the new address',
    },
  );
  await eventually(() => podOf(one!).reaches(podOf(two!).ipv4), { what: 'pods reach each other again' });
  expect(await subnetsOf(one!)).toEqual([subnet]);
  await daemons[0]!.waitUntilReady();
});

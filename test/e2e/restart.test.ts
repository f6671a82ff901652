import { Lab, eventually } from '@tartan/lab';
import {
  HOST_GW,
  PREFIX,
  converged,
  leaseKeys,
  ourRoutes,
  podOf,
  remembers,
  sharedCluster,
  subnetsOf,
} from './support/cluster';

const cluster = sharedCluster({ hosts: 2 });

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  cluster.test(`${signal} and restart under 1,000 packets/s lose no packet`, async ({ lab, hosts, daemons }) => {
    const stream = await lab.stream({ from: podOf(hosts[0]!), to: podOf(hosts[1]!), echo: true });
    for (const daemon of daemons) {
      const before = await daemon.subnetEnv();
      await daemon.restart({ signal });
      expect(await daemon.waitUntilReady()).toEqual(before);
    }
    const report = await stream.stop();
    expect(report.sent).toBeGreaterThan(1_000);
    expect({ lost: report.lost, back: report.back?.lost, errors: report.sendErrors }).toEqual({
      lost: 0,
      back: 0,
      errors: 0,
    });
  });
}

cluster.test('SIGTERM ends the daemon with status 0, and leaves lease, routes and subnet.env', async (all) => {
  const { etcd, hosts, daemons } = all;
  const routes = await ourRoutes(hosts[0]!);
  expect(await daemons[0]!.stop()).toMatchObject({ code: 0 });
  expect(await ourRoutes(hosts[0]!)).toEqual(routes);
  expect(await leaseKeys(etcd)).toHaveLength(2);
  expect(await subnetsOf(hosts[0]!)).toHaveLength(1);
  await daemons[0]!.start();
  await daemons[0]!.waitUntilReady();
});

cluster.test('from start to ready with etcd on the same machine', async ({ daemons }) => {
  const [daemon] = daemons;
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    await daemon!.kill();
    const startedAt = Date.now();
    await daemon!.start();
    const [, time = ''] = await daemon!.process.waitForLog(/^(\S+) INFO +node is ready/m);
    times.push(Date.parse(time) - startedAt);
  }
  const median = times.sort((a, b) => a - b)[2]!;
  console.log(`start to ready: median ${median} ms of ${times.join(', ')}`);
  // The target is 600 ms on a machine at rest. Beside other rings this only catches a start that waits for something.
  expect(median).toBeLessThan(5_000);
});

cluster.test(
  'with etcd down it waits and says so, writes subnet.env from the last lease at once, and starts by itself when etcd comes',
  async ({ etcd, hosts, daemons }) => {
    const [one] = hosts;
    const before = (await one!.run(['cat', one!.subnetFile])).stdout;
    await daemons[0]!.stop();
    await etcd.member.stop();
    await one!.run(['rm', one!.subnetFile]);

    const startedAt = Date.now();
    await daemons[0]!.start();
    const [, time = ''] = await daemons[0]!.process.waitForLog(/^(\S+) INFO +subnet file restored/m);
    console.log(`start to subnet.env from the last lease: ${Date.parse(time) - startedAt} ms`);
    expect((await one!.run(['cat', one!.subnetFile])).stdout).toBe(before);
    await daemons[0]!.process.waitForLog(/cannot be reached|unreachable/);
    expect((await daemons[0]!.health()).status).toBe(503);
    expect((await daemons[0]!.health('/healthz')).status).toBe(200);
    expect(await podOf(one!).reaches(podOf(hosts[1]!).ipv4)).toBe(true);
    // It can be told to stop now as at any time, and quickly.
    const stoppingAt = Date.now();
    expect(await daemons[0]!.stop()).toMatchObject({ code: 0 });
    expect(Date.now() - stoppingAt).toBeLessThan(2_000);
    await daemons[0]!.start();
    await daemons[0]!.process.waitForLog(/cannot be reached|unreachable/);

    await etcd.member.start();
    await daemons[0]!.waitUntilReady({ timeoutMs: 30_000 });
    await converged(hosts);
  },
);

cluster.test(
  'boots while etcd is away: starts from the peers it knew, and is confirmed when etcd comes',
  async (all) => {
    const { etcd, hosts, daemons } = all;
    const [one, two] = [hosts[0]!, hosts[1]!];
    await remembers(one, await subnetsOf(two));
    await daemons[0]!.kill();
    await etcd.member.stop();
    // What a boot leaves of the overlay: nothing.
    await one.ip('route flush proto 158');
    expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(false);
    await daemons[0]!.start();
    await eventually(() => podOf(one).reaches(podOf(two).ipv4), { timeoutMs: 60_000, what: 'pods reach each other' });
    expect((await daemons[0]!.health('/healthz')).status).toBe(200);
    const page = await daemons[0]!.health('/readyz?verbose');
    expect(page.status).toBe(503);
    expect(page.body).toContain('of the last run');
    await etcd.member.start();
    await daemons[0]!.waitUntilReady({ timeoutMs: 60_000 });
    await converged(hosts);
  },
);

cluster.test(
  'a client that never finishes its request holds nothing up, and a second signal waits for nothing',
  async (all) => {
    const [host, daemon] = [all.hosts[0]!, all.daemons[0]!];
    const dawdle = async (): Promise<void> => {
      const half = `exec 3<>/dev/tcp/127.0.0.1/${daemon.healthPort}; printf 'GET / HTTP/1.1\\r\\n' >&3; echo sent; sleep 60`;
      const client = await host.start({ name: 'client', argv: ['bash', '-c', half], stdout: 'lines' });
      await client.waitForLine(/^sent$/);
    };
    await dawdle();
    const stoppingAt = Date.now();
    expect(await daemon.stop()).toMatchObject({ code: 0 });
    expect(Date.now() - stoppingAt).toBeLessThan(2_000);

    await daemon.start();
    await daemon.waitUntilReady();
    await dawdle();
    daemon.process.signal('SIGINT');
    await daemon.process.waitForLog(/stopping signal=SIGINT/);
    daemon.process.signal('SIGINT');
    expect(await daemon.process.exited).toMatchObject({ code: 130 });
    await daemon.start();
    await daemon.waitUntilReady();
  },
);

test('a daemon that starts before the network config waits for it', async () => {
  const lab = await Lab.create();
  try {
    const etcd = await lab.startEtcd();
    const [host] = await lab.addHosts(1);
    const daemon = await host!.startDaemon();
    await daemon.process.waitForLog(/waiting for the network config/);
    await etcd.put(`${PREFIX}/config`, '{"Network":"10.5.0.0/29"}');
    await daemon.process.waitForLog(/network config is not usable/);
    await etcd.put(`${PREFIX}/config`, JSON.stringify(HOST_GW));
    await daemon.waitUntilReady();
  } finally {
    await lab.destroy();
  }
});

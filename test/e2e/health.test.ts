import { eventually, runCommand, repositoryRoot } from '@tartan/lab';
import { join } from 'node:path';
import { converged, keyOf, sharedCluster, subnetsOf } from './support/cluster';

/* What a probe, a scraper and an operator get to see of a running daemon. */

const cluster = sharedCluster({ hosts: 2 });
const TARTANCTL = join(repositoryRoot, 'bin', 'tartanctl');

cluster.test('/healthz, /readyz, /metrics, /v1/status', async ({ hosts, daemons }) => {
  const [daemon] = daemons;
  expect(await daemon!.health('/healthz')).toEqual({ status: 200, body: 'tartand is running\n' });
  expect(await daemon!.health('/readyz')).toEqual({ status: 200, body: 'tartand is ready\n' });
  const names = await eventually(
    async () => {
      const { body } = await daemon!.health('/readyz?verbose');
      return /^\[[^+]\]/m.test(body) ? false : [...body.matchAll(/^\[\+\](\S+) /gm)].map(([, name]) => name);
    },
    { what: 'every check passes, those that do not count as well' },
  );
  const known = ['datastore', 'network-config', 'interface', 'backend', 'lease', 'subnet-file', 'peers', 'kernel'];
  expect(names).toEqual(expect.arrayContaining(known));
  const json = JSON.parse((await daemon!.health('/readyz?format=json')).body) as { checks: { name: string }[] };
  expect(json).toMatchObject({ ready: true });
  expect(json.checks.map(({ name }) => name)).toEqual(names);
  const metrics = (await daemon!.health('/metrics')).body;
  for (const line of [
    'tartan_ready 1',
    'tartan_lease_held 1',
    'tartan_peers 1',
    'tartan_routes{state="programmed"} 1',
  ]) {
    expect(metrics).toContain(`\n${line}\n`);
  }
  const status = JSON.parse((await daemon!.health('/v1/status')).body) as object;
  expect(status).toMatchObject({
    node: 'host1',
    ready: true,
    network: {
      backend: 'host-gw',
      subnet: (await subnetsOf(hosts[0]!))[0],
      mtuBytes: 1500,
      interface: { ifname: 'eth0' },
    },
    watch: { synced: true, skipped: [], overlaps: [] },
    datastore: { name: 'etcd', reachable: true },
  });
  expect((await daemon!.health('/')).status).toBe(404);
});

cluster.test('a link that is down or gone is not being ready, and coming back is', async ({ hosts, daemons }) => {
  const [one] = hosts;
  const line = async (): Promise<string> =>
    /\[.\]interface .*/.exec((await daemons[0]!.health('/readyz?verbose')).body)?.[0] ?? '';
  await one!.ip('link set eth0 down');
  await eventually(async () => (await line()).includes('[-]interface eth0 is down'), { what: 'the page says so' });
  await daemons[0]!.waitUntilUnready();
  await one!.ip('link set eth0 up');
  await one!.restoreAddresses(one!.uplink);
  await daemons[0]!.waitUntilReady();
  await one!.replaceInterface(one!.uplink);
  await daemons[0]!.waitUntilReady();
  expect(await line()).toContain('[+]interface eth0');
  await converged(hosts);
});

cluster.test('tartanctl status and leases', async ({ hosts, etcd, daemons }) => {
  const run = (...args: string[]) => hosts[0]!.run([TARTANCTL, ...args], { allowFailure: true });
  const status = await run('status', `--url=http://127.0.0.1:${daemons[0]!.healthPort}`);
  expect(status).toMatchObject({ exitCode: 0, stderr: '' });
  expect(status.stdout).toMatch(/^ready\n(?: +ok +\S.*\n)+$/);
  const leases = await run('leases', `--etcd-endpoints=${etcd.endpoints.join(',')}`);
  expect(leases).toMatchObject({ exitCode: 0, stderr: '' });
  const rows = leases.stdout.trimEnd().split('\n').slice(1);
  const wanted = await Promise.all(
    hosts.map(
      async (host) => new RegExp(`^${(await keyOf(host)).replace('-', '/')} +- +${host.ipv4} +host-gw +${host.name}$`),
    ),
  );
  expect(rows).toHaveLength(2);
  for (const pattern of wanted) expect(rows.some((row) => pattern.test(row))).toBe(true);
  const nobody = await runCommand([TARTANCTL, 'status', '--url=http://127.0.0.1:1'], { allowFailure: true });
  expect(nobody).toMatchObject({ exitCode: 1, stdout: '' });
});

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, type Host, type LabDaemon } from '@tartan/lab';
import { OtherUdpNode } from './support/other-udp-node';
import { PREFIX, podOf, sharedCluster } from './support/cluster';
import { UDP } from './support/udp';

/*
 * The packet loop is part of the daemon, so a restart stops it; what is shown here is that it goes on before the daemon can know anything
 * but what the last one wrote down, and with nobody whom the cluster does not know any more.
 */

type Two<T> = readonly [T, T];

const RESUMED = /packets flow as before the restart/;
const cluster = sharedCluster({ hosts: 2, config: UDP });

const stateOf = (host: Host): string => join(host.directory, 'var', 'lib', 'tartan');
const filesOf = (host: Host): string[] => (existsSync(stateOf(host)) ? readdirSync(stateOf(host)) : []);
const resumeFiles = (host: Host): string[] => filesOf(host).filter((name) => /^resume-[0-9a-f]+$/.test(name));

/** The file is written within about a second of a change. */
function saved(host: Host): Promise<unknown> {
  const look = (): Promise<boolean> => Promise.resolve(resumeFiles(host).length > 0);
  return eventually(look, { what: `${host.name} has saved its packet loop` });
}

async function drops(daemon: LabDaemon, cause: string): Promise<number> {
  const { body } = await daemon.health('/metrics');
  return Number(new RegExp(`^tartan_data_path_drops_total\\{cause="${cause}"\\} (\\d+)`, 'm').exec(body)?.[1] ?? 0);
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  cluster.test(`${signal} and restart under 1,000 packets/s both ways`, async ({ lab, hosts, daemons }) => {
    const [one, two] = hosts as unknown as Two<Host>;
    const [daemon] = daemons as unknown as Two<LabDaemon>;
    await saved(one);
    const stream = await lab.stream({ from: podOf(one), to: podOf(two), echo: true });
    await daemon.restart({ signal });
    await daemon.process.waitForLog(RESUMED);
    await daemon.waitUntilReady();
    const { sent, lost, longestGapMs, back } = await stream.stop();
    console.log(`${signal}: lost ${lost} of ${sent}, silence ${Math.round(longestGapMs)} ms; back ${back?.lost}`);
    // The target is 100 on a machine at rest (docs/backends/udp.md). Beside other work this only catches a loop that waits for something.
    expect(lost).toBeLessThan(5_000);
  });
}

cluster.test('while the datastore is away packets flow before the daemon has its lease', async (all) => {
  const { etcd, hosts, daemons } = all;
  const [one, two] = hosts as unknown as Two<Host>;
  const [daemon] = daemons as unknown as Two<LabDaemon>;
  await saved(one);
  await etcd.member.stop();
  // Nothing else is remembered: what flows does so by the saved loop alone.
  await daemon.kill();
  for (const name of filesOf(one).filter((file) => file.endsWith('.json'))) rmSync(join(stateOf(one), name));
  await daemon.start();
  await daemon.process.waitForLog(/cannot be reached|unreachable/);
  expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(true);
  expect(await podOf(two).reaches(podOf(one).ipv4)).toBe(true);
  expect(await daemon.process.log()).not.toMatch(/packet loop runs/);
  await etcd.member.start();
  await daemon.waitUntilReady({ timeoutMs: 30_000 });
  expect(await daemon.process.log()).toMatch(/packet loop runs/);
});

cluster.test('a loop whose port the config no longer names is stopped before the lease', async (all) => {
  const { etcd, hosts, daemons } = all;
  const [one] = hosts as unknown as Two<Host>;
  const [daemon] = daemons as unknown as Two<LabDaemon>;
  await saved(one);
  await daemon.stop();
  await etcd.put(`${PREFIX}/config`, JSON.stringify({ ...UDP, Backend: { Type: 'udp', Port: 9285 } }));
  await daemon.start();
  await daemon.process.waitForLog(/stopped, since the network config is another one[^]*lease acquired/);
  await daemon.process.waitForLog(/packet loop runs .*port=9285/);
  expect((await one.run(['ss', '-Hlun'])).stdout).not.toMatch(/:8285\b/);
  await etcd.put(`${PREFIX}/config`, JSON.stringify(UDP));
  await daemon.restart();
  await daemon.waitUntilReady();
});

cluster.test('another daemon of the host leaves the file alone', async ({ etcd, hosts }) => {
  const [one, two] = hosts as unknown as Two<Host>;
  await saved(one);
  await etcd.put('/second/config', JSON.stringify({ Network: '10.6.0.0/16', Backend: { Type: 'host-gw' } }));
  const second = await one.startDaemon({
    name: 'second',
    subnetFile: `${one.directory}/second.env`,
    healthPort: 8472,
    args: ['--etcd-prefix=/second'],
  });
  await second.waitUntilReady();
  expect(await second.process.log()).toMatch(/packets do not flow before .* reason="of a daemon with other options"/);
  expect(resumeFiles(one)).toHaveLength(1);
  expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(true);
  await second.stop();
});

cluster.test(
  'a peer that left while the daemon was away is let in until the first list of peers, and no longer',
  async (all) => {
    const { lab, etcd, hosts, daemons } = all;
    const [one] = hosts as unknown as Two<Host>;
    const [daemon] = daemons as unknown as Two<LabDaemon>;
    const guest = await lab.addHost({ name: 'guest' });
    const other = new OtherUdpNode({ host: guest, etcd, n: 91 });
    await other.start();
    const pod = await guest.addPod({ subnet: { ipv4: '10.5.91.1/24', mtuBytes: 1472 } });
    await eventually(() => pod.reaches(podOf(one).ipv4), { what: 'the peer reaches the pod' });
    await daemon.stop();
    await etcd.etcdctl(['del', other.key]);
    await daemon.start();
    await daemon.process.waitForLog(RESUMED);
    await daemon.waitUntilReady();
    expect(await pod.reaches(podOf(one).ipv4)).toBe(false);
    expect(await drops(daemon, 'unknown-peer')).toBeGreaterThan(0);
  },
);

import { type Host, type LabDaemon } from '@tartan/lab';
import { readFileSync, rmSync } from 'node:fs';
import { remembers } from './support/cluster';
import { eventuallyEqual, FLANNEL, startKubeDaemon, startKubeLab, type KubeLab } from './support/kube';
import { fdbOf } from './support/vxlan';

/* What an administrator says of single nodes: by the pod that a daemon runs in, by options, and by annotations while it runs. */

const NETWORK = { Network: '10.5.0.0/16', EnableNFTables: true, SubnetLen: 8, Backend: { Type: 'vxlan' } };

let kube: KubeLab;
let one: Host;
let two: Host;
let first: LabDaemon;

beforeAll(async () => {
  kube = await startKubeLab(2, NETWORK);
  [one, two] = kube.lab.hosts as unknown as [Host, Host];
  for (const [index, { name }] of kube.lab.hosts.entries()) await kube.api.createNode(name, [`10.5.${index + 1}.0/24`]);
});
afterAll(() => kube.lab.destroy());

async function annotate(annotations: Record<string, string | null>): Promise<void> {
  const named = Object.entries(annotations).map(([name, value]) => [`${FLANNEL}/${name}`, value]);
  const patch = { metadata: { annotations: Object.fromEntries(named) as object } };
  await kube.api.order('patch', { name: one.name, patch });
}

/** Where the other node sends what is for ours, and what ours publishes. */
async function known(): Promise<unknown> {
  const destinations = (await fdbOf(two)).map((entry) => entry.split(' ')[1]);
  return [await kube.api.annotation(one.name, 'public-ip'), ...destinations];
}

test('without NODE_NAME the node is that of the pod, once it can be asked; a config that flannel takes is taken', async () => {
  const env = { NODE_NAME: '', POD_NAME: 'tartan-x', POD_NAMESPACE: 'tartan-system' };
  first = await startKubeDaemon(kube, one, { env, args: ['--set-node-network-unavailable=false'] });
  await first.process.waitForLog(/the name of this node is not known yet.*NODE_NAME/);
  expect((await first.health('/healthz')).status).toBe(200);
  await kube.api.order('create-pod', { name: 'tartan-x', nodeName: one.name });
  await first.waitUntilReady({ timeoutMs: 60_000 });
  await first.process.waitForLog(/SubnetLen has no effect/);
  expect(await kube.api.annotation(one.name, 'public-ip')).toBe(one.ipv4);
});

test('--set-node-network-unavailable=false leaves the condition alone', async () => {
  const daemon = await startKubeDaemon(kube, two);
  await daemon.waitUntilReady({ timeoutMs: 60_000 });
  await eventuallyEqual(() => kube.api.condition(two.name), 'False FlannelIsUp', 'the condition of the other node');
  // Ready before the other one.
  expect(await kube.api.condition(one.name)).toBeUndefined();
  await eventuallyEqual(known, [one.ipv4, one.ipv4], 'the way to our node');
});

test('node-public-ip and public-ip-overwrite are followed while the daemon runs, and back', async () => {
  await annotate({ 'node-public-ip': '192.168.50.77' });
  await eventuallyEqual(known, ['192.168.50.77', '192.168.50.77'], 'the way after node-public-ip');
  await annotate({ 'public-ip-overwrite': '192.168.50.78' });
  await eventuallyEqual(known, ['192.168.50.78', '192.168.50.78'], 'the way after the overwrite');
  await annotate({ 'public-ip-overwrite': null, 'node-public-ip': 'nowhere' });
  await eventuallyEqual(known, [one.ipv4, one.ipv4], 'the way after both are gone');
  await first.process.waitForLog(/annotation of the node is no address, left out.*nowhere/);
  await first.restart();
  await first.waitUntilReady({ timeoutMs: 60_000 });
}, 120_000);

test('what the daemon asks of the API server is on /metrics and /v1/status', async () => {
  const { body } = await first.health('/metrics');
  expect(body).toMatch(/^tartan_kube_lists_total 1$/m);
  expect(body).toMatch(/^tartan_kube_patches_total\{result="failed"\} 0$/m);
  const { kubernetes } = JSON.parse((await first.health('/v1/status')).body) as { kubernetes: { server: string } };
  expect(kubernetes.server).toBe(kube.api.url);
});

test('without NODE_NAME, a boot while the API server is away starts from memory, and is confirmed when it is back', async () => {
  await remembers(one, ['10.5.2.0/24']);
  await first.kill();
  await kube.api.order('stop');
  // What a boot leaves of the overlay and of /run: nothing.
  await one.ip('route flush proto 158');
  await one.ip('link delete flannel.1');
  rmSync(one.subnetFile);
  await first.start();
  await first.process.waitForLog(/starting with that of the last run/);
  await eventuallyEqual(async () => (await fdbOf(one)).length, 1, 'peers from memory');
  expect(readFileSync(one.subnetFile, 'utf8')).toContain('FLANNEL_SUBNET=10.5.1.1/24');
  expect((await first.health('/readyz?verbose')).body).toContain('has not told the name of this node');
  await kube.api.order('start');
  await first.waitUntilReady({ timeoutMs: 60_000 });
});

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Host,
  type Lab,
  type LabProcess,
  TestAuthority,
  eventually,
  repositoryRoot,
  runCommand,
  withLab,
} from '@tartan/lab';
import { type ApiObject, readObjects } from '../unit/deploy/support/api-objects';
import { ContainerRuntime } from './support/container-runtime';
import { LabApiServer } from './support/kube';
import { Kubelet } from './support/kubelet';

/*
 * The manifest as people apply it, on two nodes: its commands with its arguments, environment, mounts and rights, against the test API
 * server, until pods that a container runtime attached by the installed CNI config reach each other.
 */

const MANIFEST = join(repositoryRoot, 'deploy/kubernetes/tartan.yaml');
const CLEAN_UP = join(repositoryRoot, 'deploy/kubernetes-remove/clean-up.yaml');
const REFERENCE_PLUGINS = '/usr/lib/cni';
const API_PORT = 6443;
const TOKEN = 'token-of-the-service-account';

interface SecureApiServer {
  readonly api: LabApiServer;
  readonly host: string;
  readonly caFile: string;
}

/** The test API server on the switch, with TLS and tokens as a real one. */
async function startApiServer(lab: Lab): Promise<SecureApiServer> {
  const host = (lab.switch.ipv4 ?? '').replace(/\/.*/, '');
  const authority = await TestAuthority.create(lab.directory);
  const { certFile, keyFile } = await authority.certificate({ name: 'api', names: [`IP:${host}`] });
  const api = await LabApiServer.start(lab, ['--tls-cert', certFile, '--tls-key', keyFile, '--token', TOKEN]);
  return { api, host, caFile: authority.caFile };
}

async function stageImage(lab: Lab): Promise<string> {
  const image = join(lab.directory, 'image');
  await runCommand(['node', join(repositoryRoot, 'scripts/stage-image.mjs'), image], { timeoutMs: 60_000 });
  return image;
}

function ready(host: Host): Promise<unknown> {
  return eventually(
    async () => {
      const { status, body } = await host.httpGet(8081, '/readyz?verbose');
      if (status !== 200) throw new Error(`${host.name} is not ready: ${body}`);
    },
    { timeoutMs: 60_000, what: `${host.name} is ready` },
  );
}

/** What the kernel says of the daemon's rights. */
function rightsOf({ pid }: LabProcess): Record<string, string> {
  const names = ['CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp'];
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  const fields = lines.map((line) => line.split(/:\s+/) as [string, string]);
  return Object.fromEntries(fields.filter(([name]) => names.includes(name)));
}

/** CAP_NET_ADMIN and CAP_NET_RAW (linux/capability.h). */
const CAPABILITIES = ((1 << 12) | (1 << 13)).toString(16).padStart(16, '0');

/** `verb resource` of every rule. */
function allowed(objects: readonly ApiObject[]): string[] {
  return objects
    .filter(({ kind }) => kind === 'ClusterRole')
    .flatMap(({ rules }) => rules)
    .flatMap(({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)));
}

/** Nothing of Tartan in the kernel of the node, in its files, and in its CNI directories. */
async function expectClean(host: Host, kubelet: Kubelet): Promise<void> {
  expect(await host.ipJson('-N route show proto 158')).toEqual([]);
  expect((await host.ipJson<{ ifname: string }[]>('link show')).map(({ ifname }) => ifname)).not.toContain('flannel.1');
  expect((await host.run(['nft', 'list', 'tables'])).stdout).not.toContain('flannel');
  for (const place of ['/run/flannel', '/var/lib/tartan', '/etc/cni/net.d', '/opt/cni/bin']) {
    expect([place, readdirSync(kubelet.nodePath(place))]).toEqual([place, []]);
  }
}

test('what the manifest says, on two nodes: CNI installed, daemons ready, pods reach each other, and all of it removed', async () => {
  await withLab({}, async (lab) => {
    const objects = readObjects(readFileSync(MANIFEST, 'utf8'));
    const hosts = await lab.addHosts(2);
    const [image, server] = await Promise.all([stageImage(lab), startApiServer(lab)]);
    const { api, host: address, caFile } = server;
    for (const [index, { name }] of hosts.entries()) await api.createNode(name, [`10.244.${index + 1}.0/24`]);
    const apiServer = { host: address, port: API_PORT, caFile, token: TOKEN };
    const kubelets = hosts.map((host) => new Kubelet({ host, objects, image, apiServer }));

    await Promise.all(kubelets.map((kubelet) => kubelet.runInitContainers()));
    for (const kubelet of kubelets) {
      expect(readdirSync(kubelet.nodePath('/etc/cni/net.d'))).toEqual(['10-tartan.conflist']);
      const plugins = readdirSync(kubelet.nodePath('/opt/cni/bin')).sort();
      expect(plugins).toEqual(expect.arrayContaining(['flannel', 'tartan']));
      expect(statSync(join(kubelet.nodePath('/opt/cni/bin'), 'tartan')).mode & 0o111).toBe(0o111);
    }
    const daemons = await Promise.all(kubelets.map((kubelet) => kubelet.startContainer()));
    await Promise.all(hosts.map(ready));
    // 2: a filter (proc(5)).
    const rights = { CapEff: CAPABILITIES, CapBnd: CAPABILITIES, NoNewPrivs: '1', Seccomp: '2' };
    for (const daemon of daemons) expect(rightsOf(daemon)).toEqual(rights);

    const runtimes = hosts.map((host, index) => {
      const kubelet = kubelets[index] as Kubelet;
      const pluginPath = [kubelet.nodePath('/opt/cni/bin'), REFERENCE_PLUGINS];
      return new ContainerRuntime({ host, configDirectory: kubelet.nodePath('/etc/cni/net.d'), pluginPath });
    });
    const pods = await Promise.all(runtimes.map((runtime) => runtime.addPod('pod')));
    lab.onDestroy(async () => {
      for (const pod of pods) await runCommand(['ip', 'netns', 'delete', pod.netns], { allowFailure: true });
    });
    const [first, second] = pods;
    if (!first || !second) throw new Error('no pods');
    expect([first.addresses[0], second.addresses[0]]).toEqual(['10.244.1.2', '10.244.2.2']);
    await eventually(() => first.reaches('10.244.2.2'), { timeoutMs: 30_000, what: 'the pods reach each other' });
    // 1450 bytes of the overlay, less 20 of IPv4 and 8 of ICMP.
    expect(await second.reaches('10.244.1.2', 1422)).toBe(true);
    expect(await second.reaches('10.244.1.2', 1423)).toBe(false);

    for (const { name } of hosts) {
      expect(await api.annotation(name, 'kube-subnet-manager')).toBe('true');
      expect(await api.annotation(name, 'backend-type')).toBe('vxlan');
      expect(await api.condition(name)).toMatch(/^False /);
    }
    // What every node logs after each start must not cry wolf.
    for (const { logFile } of daemons) expect(readFileSync(logFile, 'utf8')).not.toContain('"level":"error"');
    await Promise.all(runtimes.map((runtime, index) => runtime.removePod(pods[index] as (typeof pods)[number])));
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    const calls = (await api.order('calls')) as string[];
    const used = new Set(calls.map((call) => call.replace(/[?].*/, '').split(' ').slice(0, 2).join(' ')));
    const [cleaner] = readObjects(
      readFileSync(CLEAN_UP, 'utf8').replaceAll('NODE', 'node').replaceAll('IMAGE', 'tartan'),
    );
    for (const [index, host] of hosts.entries()) {
      const cleanUp = new Kubelet({ host, objects: [cleaner as ApiObject], image, apiServer });
      expect(await cleanUp.runToEnd()).toMatch(/removed .*10-tartan\.conflist[^]*flannel\.1/);
      await expectClean(host, kubelets[index] as Kubelet);
    }
    // Nothing is granted that is not used; an Event is only written when something is wrong.
    expect([...used, 'create events'].sort()).toEqual(allowed(objects).sort());
  });
}, 150_000);

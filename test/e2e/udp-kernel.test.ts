import { eventually, repositoryRoot, type Host, type LabDaemon } from '@tartan/lab';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { converged, podOf, PREFIX, sharedCluster, type Cluster } from './support/cluster';
import { UDP } from './support/udp';
import { transfer } from './support/vxlan';

const KERNEL = { ...UDP, Backend: { Type: 'udp', Datapath: 'kernel' } };
/** Root without the right to load programs: what the daemon finds in many containers. */
const WITHOUT_BPF = ['setpriv', '--bounding-set=-sys_admin,-bpf', join(repositoryRoot, 'bin', 'tartand')];

/** bpf(2) wants root outside of user namespaces: all user ids are there then. Elsewhere says so aloud; in CI that is a failure. */
function bpfAllowed(): boolean {
  const [first = ''] = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n');
  if (process.getuid?.() === 0 && Number(first.trim().split(/\s+/)[2]) > 65_534) return true;
  if (process.env['CI'] === 'true') throw new Error('the kernel path is tested as root outside of user namespaces');
  console.warn('SKIPPED: the kernel path of udp needs root outside of user namespaces');
  return false;
}

interface Member {
  readonly host: Host;
  readonly daemon: LabDaemon;
}

async function programs(host: Host): Promise<string> {
  const shown = await Promise.all(
    ['flannel0 egress', 'eth0 ingress', 'flannel0-rx ingress'].map(async (place) => {
      const { stdout } = await host.run(['tc', 'filter', 'show', 'dev', ...place.split(' ')], { allowFailure: true });
      return stdout;
    }),
  );
  return shown.join('');
}

async function announcements(etcd: Cluster['etcd']): Promise<string[]> {
  const values = await etcd.etcdctl(['get', '--prefix', '--print-value-only', `${PREFIX}/subnets/`]);
  return values.split('\n').filter((line) => line.includes('"BackendData":{"KernelPath":1}'));
}

async function metric(daemon: LabDaemon, name: string): Promise<number> {
  const { body } = await daemon.health('/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
}

if (bpfAllowed()) {
  describe('two hosts of the kernel path and one that may not', () => allTests());
} else {
  test.skip('two hosts of the kernel path and one that may not', () => undefined);
}

/** In this order: each goes on where the one before has left the cluster. */
function allTests(): void {
  const cluster = sharedCluster({ hosts: 2, config: KERNEL });
  let three: Host;
  const onTwo = (name: string, body: (one: Member, two: Member, all: Cluster) => Promise<void>): void => {
    cluster.test(name, (all) => {
      const [one, two] = all.hosts.map((host, index): Member => ({ host, daemon: all.daemons[index]! }));
      return body(one!, two!, all);
    });
  };

  onTwo('announce it; the third says why it does not', async (one, two, { lab, etcd }) => {
    [three] = (await lab.addHosts(1)) as unknown as readonly [Host];
    const third = await three.startDaemon({ command: WITHOUT_BPF });
    await third.waitUntilReady();
    await three.addPod();
    await converged([one.host, two.host, three]);
    expect(await announcements(etcd)).toHaveLength(2);
    expect((await third.health('/v1/status')).body).toContain('UDP_DATAPATH_FALLBACK');
    for (const { daemon } of [one, two]) {
      await eventually(async () => (await metric(daemon, 'tartan_data_path_bypass_peers')) === 1);
      expect((await daemon.health('/v1/status')).body).not.toContain('UDP_DATAPATH_FALLBACK');
    }
    expect(await programs(three)).toBe('');
  });

  onTwo('all pairs exchange content, each in its own way', async (one, two) => {
    const hosts = [one.host, two.host, three];
    for (const step of [1, 2]) {
      const pairs = hosts.map((from, index) => [podOf(from), podOf(hosts[(index + step) % 3]!)] as const);
      const results = await Promise.all(pairs.map(([from, to]) => transfer(from, to, to.ipv4, 2)));
      for (const [sent, received] of results) expect(received).toBe(sent);
    }
    // 2 MiB to the other one went through the kernel, and 2 MiB to the third did not.
    for (const name of ['tartan_data_path_bypass_bytes_total', 'tartan_data_path_bytes_total']) {
      expect(await metric(one.daemon, `${name}{direction="tx"}`)).toBeGreaterThan(2 * 2 ** 20);
    }
  });

  onTwo('filters that somebody deletes come back by themselves', async ({ host }) => {
    for (const place of ['flannel0 egress', 'eth0 ingress']) {
      await host.run(['tc', 'filter', 'del', 'dev', ...place.split(' ')]);
      const mended = async (): Promise<boolean> =>
        [...(await programs(host)).matchAll(/tartan-udp:flannel0/g)].length === 3;
      await eventually(mended, { what: `the filter of ${place} is back` });
    }
  });

  onTwo('SIGKILL and restart lose no packet between the two', async ({ host, daemon }, two, { lab }) => {
    const before = await programs(host);
    expect(before).toContain('tartan-udp:flannel0:tun_egress');
    const [from, to] = [podOf(host), podOf(two.host)];
    const stream = await lab.stream({ from, to, echo: true });
    await daemon.kill();
    expect((await from.run(['ping', '-n', '-c', '5', '-i', '0.2', '-W', '2', to.ipv4])).stdout).toContain(
      ' 0% packet loss',
    );
    await daemon.start();
    await daemon.waitUntilReady();
    await converged([host, two.host, three]);
    const { sent, lost, back } = await stream.stop();
    expect(sent).toBeGreaterThan(1_000);
    expect({ lost, back: back?.lost }).toEqual({ lost: 0, back: 0 });
    expect(await programs(host)).toBe(before);
  });

  onTwo('--cleanup lists, then removes', async ({ host, daemon }) => {
    await daemon.stop();
    const dry = await host.runAsMachine([...daemon.commandLine, '--cleanup', '--dry-run']);
    for (const place of ['on flannel0\n', 'on eth0\n', 'on flannel0-rx\n']) expect(dry.stdout).toContain(place);
    expect(await programs(host)).toContain('tartan-udp:flannel0:uplink_ingress');
    const done = await host.runAsMachine([...daemon.commandLine, '--cleanup']);
    expect(done.stdout.replace('removing', 'would remove')).toBe(dry.stdout);
    expect(await programs(host)).toBe('');
    expect(await host.ip('link show')).not.toMatch(/flannel0/);
    expect((await host.run(['tc', 'qdisc', 'show', 'dev', 'eth0'])).stdout).not.toContain('clsact');
    await daemon.start();
    await daemon.waitUntilReady();
  });

  onTwo('switched back to user space nothing of it is left, and packets go on', async (one, two, { etcd }) => {
    await etcd.put(`${PREFIX}/config`, JSON.stringify(UDP));
    await two.daemon.restart();
    await two.daemon.waitUntilReady();
    await eventually(async () => (await programs(two.host)) === '', { what: 'no program is left' });
    expect(await two.host.ip('link show')).not.toContain('flannel0-rx');
    await eventually(async () => (await metric(one.daemon, 'tartan_data_path_bypass_peers')) === 0);
    const [sent, received] = await transfer(podOf(one.host), podOf(two.host), podOf(two.host).ipv4, 2);
    expect(received).toBe(sent);
  });
}

import { eventually, keptFile, type Host, type LabDaemon } from '@tartan/lab';
import { writeFileSync } from 'node:fs';
import { converged, ourRoutes, podOf, remembers, subnetsOf } from './support/cluster';
import { eventuallyEqual, startKubeDaemon, startKubeLab, type KubeLab } from './support/kube';

/* Nodes of a Kubernetes cluster: podCIDRs are the subnets, annotations say how to reach them. */

const NETWORK = { Network: '10.5.0.0/16', EnableNFTables: true };

/** Peers of `host`, by its routes. */
async function destinations(host: Host): Promise<string[]> {
  return (await ourRoutes(host)).map(({ dst }) => dst).sort();
}

/** One lab per backend; each test leaves three converged daemons behind. */
describe.each(['vxlan', 'host-gw'])('%s in Kubernetes', (type) => {
  let kube: KubeLab;
  let daemons: LabDaemon[];
  beforeAll(async () => {
    kube = await startKubeLab(3, { ...NETWORK, Backend: { Type: type } });
  });
  afterAll(() => kube.lab.destroy());

  /** A test whose failure says where the state of the lab can be read. */
  const inLab = (name: string, body: (hosts: readonly [Host, Host, Host]) => Promise<void>): void => {
    test(name, async () => {
      try {
        await body(kube.lab.hosts as unknown as readonly [Host, Host, Host]);
      } catch (error) {
        const path = keptFile('lab-failures', `kube-${type}-${name.replace(/\W+/g, '-').slice(0, 40)}.txt`);
        writeFileSync(path, await kube.lab.dump());
        (error as Error).message += `\n(state of the lab: ${path})`;
        throw error;
      }
    });
  };

  inLab('waits for the podCIDR, says so, and joins when it is there', async (hosts) => {
    const { api, lab } = kube;
    for (const [index, host] of hosts.entries())
      await api.createNode(host.name, index < 2 ? [`10.5.${index + 1}.0/24`] : []);
    daemons = await Promise.all(hosts.map((host) => startKubeDaemon(kube, host)));
    await Promise.all(daemons.slice(0, 2).map((daemon) => daemon.waitUntilReady()));
    await daemons[2]!.process.waitForLog(/no lease is assigned to this node.*allocate-node-cidrs/);
    expect((await daemons[2]!.health('/healthz')).status).toBe(200);
    expect((await daemons[2]!.health('/readyz?verbose')).body).toContain('--allocate-node-cidrs');
    expect(await api.condition(hosts[2].name)).toBeUndefined();
    await api.order('patch', {
      name: hosts[2].name,
      patch: { spec: { podCIDR: '10.5.3.0/24', podCIDRs: ['10.5.3.0/24'] } },
    });
    await Promise.all(daemons.map((daemon) => daemon.waitUntilReady({ timeoutMs: 60_000 })));
    await converged(hosts);
    for (const host of hosts) {
      expect(await api.annotation(host.name, 'kube-subnet-manager')).toBe('true');
      expect(await api.annotation(host.name, 'backend-type')).toBe(type);
      expect(await api.annotation(host.name, 'public-ip')).toBe(host.ipv4);
      const data = await api.annotation(host.name, 'backend-data');
      expect(data).toMatch(type === 'vxlan' ? /^\{"VNI":1,"VtepMAC":"[0-9a-f:]{17}"\}$/ : /^null$/);
      await eventuallyEqual(() => api.condition(host.name), 'False FlannelIsUp', 'the node condition');
    }
    await Promise.all(hosts.map((host) => host.addPod()));
    for (const to of lab.pods.slice(1)) expect(await podOf(hosts[0]).reaches(to.ipv4)).toBe(true);
  });

  inLab('goes on while the API server is away, and with a server that forgot where it was', async (hosts) => {
    const { api } = kube;
    await api.order('stop');
    await Promise.all(daemons.map((daemon) => daemon.process.waitForLog(/datastore unreachable/)));
    expect((await daemons[0]!.health()).status).toBe(200);
    expect(await podOf(hosts[0]).reaches(podOf(hosts[1]).ipv4)).toBe(true);
    // While nobody can hear it: a node goes, another comes, and the history is dropped.
    const third = await api.node(hosts[2].name);
    await api.order('delete', { name: hosts[2].name });
    await api.createNode('elsewhere', ['10.5.9.0/24'], {
      'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
      'flannel.alpha.coreos.com/backend-type': type,
      'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"02:00:00:00:00:09"}',
      'flannel.alpha.coreos.com/public-ip': '192.168.50.99',
    });
    await api.order('compact');
    await api.order('start');
    const routes = async (): Promise<string[]> =>
      (await hosts[0].ipJson<{ dst: string; gateway?: string }[]>('-N route show proto 158'))
        .filter(({ gateway }) => gateway !== undefined)
        .map(({ dst }) => dst)
        .sort();
    await eventuallyEqual(routes, ['10.5.2.0/24', '10.5.9.0/24'], 'routes after the outage');
    await api.order('delete', { name: 'elsewhere' });
    await api.createNode(hosts[2].name, third.spec.podCIDRs);
    // Its daemon, alive all the time, publishes again.
    await converged(hosts, 60_000);
    expect(await podOf(hosts[0]).reaches(podOf(hosts[2]).ipv4)).toBe(true);
  });

  inLab('is killed and started again without a lost packet, also while the API server is away', async (hosts) => {
    const { api, lab } = kube;
    const stream = await lab.stream({ from: podOf(hosts[0]), to: podOf(hosts[1]) });
    await daemons[0]!.restart({ signal: 'SIGKILL' });
    await daemons[0]!.waitUntilReady();
    await converged(hosts);
    expect((await stream.stop()).lost).toBe(0);
    await api.order('stop');
    await daemons[0]!.restart({ signal: 'SIGKILL' });
    await daemons[0]!.process.waitForLog(/datastore unreachable/);
    expect(await podOf(hosts[0]).reaches(podOf(hosts[1]).ipv4)).toBe(true);
    await api.order('start');
    await daemons[0]!.waitUntilReady({ timeoutMs: 60_000 });
    await converged(hosts);
  });

  inLab('boots while the API server is away: starts from the peers it knew, and drops who left', async (hosts) => {
    const { api } = kube;
    const [one, two, three] = hosts;
    await remembers(one, ['10.5.2.0/24', '10.5.3.0/24']);
    await daemons[0]!.kill();
    await api.order('stop');
    // What a boot leaves of the overlay: nothing.
    await one.ip('route flush proto 158');
    if (type === 'vxlan') await one.ip('link delete flannel.1');
    expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(false);
    await daemons[0]!.start();
    await eventually(() => podOf(one).reaches(podOf(two).ipv4), { timeoutMs: 60_000, what: 'pods reach each other' });
    expect(await podOf(three).reaches(podOf(one).ipv4)).toBe(true);
    expect((await daemons[0]!.health('/healthz')).status).toBe(200);
    expect((await daemons[0]!.health('/readyz?verbose')).body).toContain('2 of the last run');

    const third = await api.node(three.name);
    await daemons[2]!.stop();
    await api.order('delete', { name: three.name });
    await api.order('start');
    await daemons[0]!.waitUntilReady({ timeoutMs: 60_000 });
    await eventuallyEqual(() => destinations(one), ['10.5.2.0/24'], 'routes after the server is back');
    await api.createNode(three.name, third.spec.podCIDRs);
    await daemons[2]!.start();
    await daemons[2]!.waitUntilReady({ timeoutMs: 60_000 });
    await converged(hosts, 60_000);
  });

  inLab(
    'a node that stops taking part is removed, and a node without permission says what is missing',
    async (hosts) => {
      const { api } = kube;
      await api.createNode('leaver', ['10.5.8.0/24'], {
        'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
        'flannel.alpha.coreos.com/backend-type': type,
        'flannel.alpha.coreos.com/backend-data': '{"VNI":1,"VtepMAC":"02:00:00:00:00:08"}',
        'flannel.alpha.coreos.com/public-ip': '192.168.50.88',
      });
      const hasRoute = async (): Promise<boolean> =>
        (await hosts[1].ip('route show proto 158')).includes('10.5.8.0/24');
      await eventuallyEqual(hasRoute, true, 'a route to the new node');
      const patch = { metadata: { annotations: { 'flannel.alpha.coreos.com/kube-subnet-manager': null } } };
      await api.order('patch', { name: 'leaver', patch });
      await eventuallyEqual(hasRoute, false, 'a route to the node that left');
      await api.order('delete', { name: 'leaver' });

      // Not even its own Node can it read, after a boot that left nothing of the overlay.
      const [one, two] = hosts;
      await daemons[1]!.stop();
      await two.ip('route flush proto 158');
      if (type === 'vxlan') await two.ip('link delete flannel.1');
      await api.order('faults', { faults: { denied: ['list nodes', 'watch nodes', 'get nodes'] } });
      await daemons[1]!.start();
      await daemons[1]!.process.waitForLog(/cannot list resource .*nodes.*ClusterRole/);
      await eventually(() => podOf(two).reaches(podOf(one).ipv4), { timeoutMs: 60_000, what: 'the remembered peers' });
      expect((await daemons[1]!.health('/healthz')).status).toBe(200);
      const page = await daemons[1]!.health('/readyz?verbose');
      expect(page.status).toBe(503);
      expect(page.body).toMatch(/of the last run, not confirmed yet: .*ClusterRole needs/);
      await api.order('faults', { faults: { denied: [] } });
      await daemons[1]!.waitUntilReady({ timeoutMs: 60_000 });
      await converged(hosts);
    },
  );

  inLab('a Node that is made anew with another podCIDR moves there, and the others follow', async (hosts) => {
    const { api } = kube;
    const [one, two, three] = hosts;
    await api.order('delete', { name: three.name });
    await daemons[2]!.waitUntilUnready({ timeoutMs: 20_000 });
    await api.createNode(three.name, ['10.5.7.0/24']);
    await daemons[2]!.waitUntilReady({ timeoutMs: 20_000 });
    await eventuallyEqual(() => subnetsOf(three), ['10.5.7.0/24'], 'the subnet file');
    await converged(hosts, 60_000);
    expect(await destinations(one)).toEqual(['10.5.2.0/24', '10.5.7.0/24']);
    expect(await podOf(one).reaches(podOf(two).ipv4)).toBe(true);
  });
});

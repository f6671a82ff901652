import { Ipv4Address, Ipv6Address, ReadinessRegistry, silentLogger, systemClock, type LeaseAttrs } from '@tartan/core';
import { KubeWorld, readEvents, until } from './support/world';

/* What must hold against the test API server and against a real one (KUBECONFIG, see support/world.ts). */

const SIGNAL = new AbortController().signal;
let world: KubeWorld;
beforeEach(async () => {
  world = await KubeWorld.open();
});
afterEach(() => world.close());

const VXLAN: LeaseAttrs = {
  publicIP: Ipv4Address.parse('192.168.50.1'),
  publicIPv6: null,
  backendType: 'vxlan',
  backendData: { VNI: 1, VtepMAC: '32:84:ff:8f:00:d7' },
};

/** What the lease manager does at a start: find the assignment, publish. */
async function publish(short: string, attrs: LeaseAttrs = VXLAN) {
  const datastore = world.datastore(short);
  const { records } = await datastore.list(SIGNAL);
  const own = records.find(({ attrs: { owner } }) => owner?.node === world.name(short));
  if (!own) throw new Error('our node is not listed');
  const signed = { ...attrs, owner: world.identity(short) };
  return { datastore, signed, record: await datastore.update(own, signed, 0, SIGNAL) };
}

describe('publishing', () => {
  it('K4: works on a node without annotations, and writes what flanneld writes', async () => {
    await world.create('a', ['10.251.1.0/24'], null);
    const { record } = await publish('a');
    expect(await world.annotationsOf('a')).toEqual({
      'kube-subnet-manager': 'true',
      'backend-type': 'vxlan',
      'backend-data': '{"VNI":1,"VtepMAC":"32:84:ff:8f:00:d7"}',
      'public-ip': '192.168.50.1',
    });
    expect(record.subnet?.toString()).toBe('10.251.1.0/24');
    expect(record.attrs.backendData).toEqual(VXLAN.backendData);
  });

  it('writes null as data where a backend has none, and takes away what it does not publish any more', async () => {
    await world.createPeer('a', ['10.251.1.0/24'], 9, { 'backend-v6-data': '{}', 'public-ipv6': 'fd00::9' });
    await publish('a', { publicIP: VXLAN.publicIP, publicIPv6: null, backendType: 'host-gw' });
    expect(await world.annotationsOf('a')).toEqual({
      'kube-subnet-manager': 'true',
      'backend-type': 'host-gw',
      'backend-data': 'null',
      'public-ip': '192.168.50.1',
    });
  });

  it('publishes both families in dual stack, and the overwrites of an administrator', async () => {
    await world.create('a', ['10.251.1.0/24', 'fd51:1::/64'], { 'public-ip-overwrite': '198.51.100.7' });
    const { record, datastore } = await publish('a', {
      ...VXLAN,
      publicIPv6: Ipv6Address.parse('fd00::1'),
      backendV6Data: { VNI: 1, VtepMAC: '32:84:ff:8f:00:d8' },
    });
    expect(await world.annotationsOf('a')).toMatchObject({
      'public-ip': '198.51.100.7',
      'public-ipv6': 'fd00::1',
      'backend-v6-data': '{"VNI":1,"VtepMAC":"32:84:ff:8f:00:d8"}',
    });
    // For us it is what we meant.
    expect(record.attrs.publicIP.toString()).toBe('192.168.50.1');
    // Another overwrite is not what is published: our own key asks for repair.
    await world.annotate('a', { 'public-ip-overwrite': '198.51.100.8' });
    await until(async () => (await datastore.list(SIGNAL)).skipped.some(({ key }) => key === record.key), 'doubt');
    const { modRevision } = (await datastore.list(SIGNAL)).skipped.find(({ key }) => key === record.key)!;
    await datastore.update({ ...record, modRevision: modRevision! }, record.attrs, 0, SIGNAL);
    expect((await world.annotationsOf('a'))['public-ip']).toBe('198.51.100.8');
  });

  it('never writes over what it has not seen', async () => {
    await world.create('a', ['10.251.1.0/24']);
    const { datastore, signed, record } = await publish('a');
    await world.annotate('a', { 'backend-type': 'host-gw' });
    const changed = { ...signed, publicIP: Ipv4Address.parse('192.168.50.2') };
    await expect(datastore.update(record, changed, 0, SIGNAL)).rejects.toMatchObject({ code: 'DATASTORE_CONFLICT' });
    expect((await world.annotationsOf('a'))['public-ip']).toBe('192.168.50.1');
  });

  it('is not disturbed by heartbeats, which are no change for anybody', async () => {
    await world.create('a', ['10.251.1.0/24']);
    await world.createPeer('b', ['10.251.2.0/24'], 2);
    const { datastore, signed, record } = await publish('a');
    const { revision } = await datastore.list(SIGNAL);
    const log = readEvents(datastore, revision, world.signal.signal);
    await until(() => log.standing, 'the watch stands');
    for (let n = 0; n < 3; n++) {
      await world.heartbeat('a');
      await world.heartbeat('b');
    }
    const changed = { ...signed, backendData: { VNI: 1, VtepMAC: '32:84:ff:8f:00:d9' } };
    await datastore.update(record, changed, 0, SIGNAL);
    await until(() => log.events.length > 0, 'the change');
    expect(log.events).toHaveLength(1);
  });
});

describe('peers', () => {
  it('K1: one family that changes is told', async () => {
    await world.create('a', ['10.251.1.0/24', 'fd51:1::/64']);
    const v6 = { 'public-ipv6': 'fd00::2', 'backend-v6-data': '{"VNI":1,"VtepMAC":"02:00:00:00:06:02"}' };
    await world.createPeer('b', ['10.251.2.0/24', 'fd51:2::/64'], 2, v6);
    const datastore = world.datastore('a');
    const log = readEvents(datastore, (await datastore.list(SIGNAL)).revision, world.signal.signal);
    await until(() => log.standing, 'the watch stands');
    await world.annotate('b', { 'backend-v6-data': '{"VNI":1,"VtepMAC":"02:00:00:00:06:99"}' });
    await until(() => log.events.length > 0, 'the change of the IPv6 device');
    expect(log.events[0]).toMatchObject({
      type: 'put',
      record: { attrs: { backendV6Data: { VtepMAC: '02:00:00:00:06:99' }, backendData: { VNI: 1 } } },
    });
  });

  it('K7: a node that stops taking part is gone, and one that cannot be read is set aside', async () => {
    await world.createPeer('b', ['10.251.2.0/24'], 2);
    await world.createPeer('c', ['10.251.3.0/24'], 3);
    const datastore = world.datastore('a');
    const log = readEvents(datastore, (await datastore.list(SIGNAL)).revision, world.signal.signal);
    await until(() => log.standing, 'the watch stands');
    await world.annotate('b', { 'kube-subnet-manager': null });
    await world.annotate('c', { 'public-ip': 'nowhere' });
    await until(() => log.events.length >= 2, 'both changes');
    expect(log.events).toMatchObject([
      { type: 'delete', key: '10.251.2.0-24' },
      { type: 'skipped', entry: { key: '10.251.3.0-24' } },
    ]);
    await world.remove('c');
    await until(() => log.events.length >= 3, 'the deletion');
    expect(log.events[2]).toMatchObject({ type: 'delete', key: '10.251.3.0-24' });
  });
});

describe('the node condition', () => {
  it('K3: is False once the node is ready, and True with a reason when it is not any more', async () => {
    await world.create('a', ['10.251.1.0/24']);
    const readiness = new ReadinessRegistry({ clock: systemClock, logger: silentLogger });
    const check = readiness.declare({ name: 'kernel', waitingFor: 'nothing programmed yet' });
    const node = world.name('a');
    const condition = world.cluster().condition({ node, readiness, condition: true, withdraw: true, graceMs: 50 });
    const running = condition.run(world.signal.signal);
    const shown = async (): Promise<string> => {
      const found = (await world.get('a')).status?.conditions?.find(({ type }) => type === 'NetworkUnavailable');
      return found ? `${found.status} ${found.reason ?? ''}` : 'none';
    };
    expect(await shown()).toBe('none');
    check.pass();
    await until(async () => (await shown()) === 'False FlannelIsUp', 'the condition is written');
    check.fail('the device is gone');
    await until(async () => (await shown()) === 'True TartanNotReady', 'the condition is withdrawn');
    check.pass();
    await until(async () => (await shown()) === 'False FlannelIsUp', 'the condition is written again');
    // Events say the same, but for the first time of being ready, which is no news.
    await until(async () => (await world.events('a')).length >= 2, 'two Events');
    expect((await world.events('a')).sort()).toEqual([
      'Normal NetworkReady: the pod network of this node works',
      'Warning NetworkNotReady: kernel: the device is gone',
    ]);
    world.signal.abort(new Error('done'));
    await running;
  });
});

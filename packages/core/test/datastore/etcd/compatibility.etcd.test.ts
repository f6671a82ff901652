import { createEtcdDatastore } from '@tartan/core/datastore/etcd';
import type { Datastore, LeaseRecord } from '@tartan/core';
import { EtcdCluster, eventually } from '@tartan/lab';
import { attrsOf, Cleanup, forever, place, PREFIX, TTL, Watched } from './support';

const SUBNETS = `${PREFIX}/subnets`;
const FLANNEL_VALUE =
  '{"PublicIP":"192.168.50.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c2:25:54:cf:0e:af"}}';

let cluster: EtcdCluster;
let datastore: Datastore;
const cleanup = new Cleanup();

beforeAll(async () => {
  cluster = await EtcdCluster.start();
});
afterAll(() => cluster.destroy());

beforeEach(() => {
  datastore = cleanup.add(createEtcdDatastore({ endpoints: cluster.endpoints }), (opened) => opened.close());
});
afterEach(async () => {
  await cleanup.run();
  await cluster.clear();
});

const stored = async (key: string): Promise<string> =>
  (await cluster.etcdctl(['get', '--print-value-only', `${SUBNETS}/${key}`])).trimEnd();

const listed = async (key: string): Promise<LeaseRecord> => {
  const record = (await datastore.list(forever)).records.find((candidate) => candidate.key === key);
  if (!record) throw new Error(`${key} is not listed`);
  return record;
};

async function flannelPut(key: string, value: string, ttlSeconds: number): Promise<void> {
  const [, id = ''] = /lease (\w+) granted/.exec(await cluster.etcdctl(['lease', 'grant', String(ttlSeconds)])) ?? [];
  await cluster.etcdctl(['put', `--lease=${id}`, `${SUBNETS}/${key}`, value]);
}

describe('etcd as flannel uses it', () => {
  it('holds our leases under flannel’s keys, with flannel’s bytes and a 24 h lease', async () => {
    await datastore.create(place('10.5.34.0/24', 'fc00:0:0:1b::/64'), attrsOf(1), 86_400, forever);
    const key = '10.5.34.0-24&fc00:0:0:1b::-64';
    expect(await stored(key)).toBe(
      '{"PublicIP":"192.168.50.1","PublicIPv6":null,"BackendType":"host-gw","Tartan":{"Node":"node-1"}}',
    );
    const leases = await cluster.leases();
    expect(leases).toMatchObject([{ grantedSeconds: 86_400, keys: [`${SUBNETS}/${key}`] }]);
  });

  it('adopts a lease of flannel’s with its etcd lease and what others wrote into it', async () => {
    await flannelPut('10.5.1.0-24', `${FLANNEL_VALUE.slice(0, -1)},"Zone":12345678901234567890}`, 86_400);
    const record = await listed('10.5.1.0-24');
    await datastore.update(record, { ...record.attrs, owner: { node: 'n' } }, 86_400, forever);
    expect(await stored('10.5.1.0-24')).toBe(
      `${FLANNEL_VALUE.slice(0, -1)},"Zone":12345678901234567890,"Tartan":{"Node":"n"}}`,
    );
    expect(await cluster.leases()).toHaveLength(1);
    await datastore.renew(await listed('10.5.1.0-24'), 86_400, forever);
    expect(await cluster.leases()).toHaveLength(1);
  });

  it('replaces an etcd lease that is too short, and does not leave it behind', async () => {
    await flannelPut('10.5.1.0-24', FLANNEL_VALUE, 60);
    const renewed = await datastore.renew(await listed('10.5.1.0-24'), 86_400, forever);
    expect(await stored('10.5.1.0-24')).toBe(FLANNEL_VALUE);
    await eventually(async () => (await cluster.leases()).length === 1);
    expect(await cluster.leases()).toMatchObject([{ grantedSeconds: 86_400 }]);
    await datastore.renew(renewed, 86_400, forever);
  });

  it('honours a reservation: no lease on the key, whatever is done to it', async () => {
    await cluster.put(`${SUBNETS}/10.5.7.0-24`, '{"PublicIP":"192.168.50.1"}');
    let record = await listed('10.5.7.0-24');
    expect(record.reservation).toBe(true);
    record = await datastore.update(record, attrsOf(1), 86_400, forever);
    record = await datastore.renew(record, 86_400, forever);
    record = await datastore.move(record, place('10.5.7.0/24', 'fc00::/64'), attrsOf(1), 86_400, forever);
    expect(record).toMatchObject({ reservation: true, expiresAt: null });
    expect(await cluster.leases()).toEqual([]);
  });

  it('leaves no etcd lease without a key: not after lost races, renewals, moves or deletes', async () => {
    const other = cleanup.add(createEtcdDatastore({ endpoints: cluster.endpoints }), (opened) => opened.close());
    for (let round = 1; round <= 5; round++) {
      const attempts = [datastore, other, datastore, other].map((contender, host) =>
        contender.create(place(`10.5.${round}.0/24`), attrsOf(host), TTL, forever),
      );
      await Promise.allSettled(attempts);
    }
    let [record] = (await datastore.list(forever)).records as [LeaseRecord];
    record = await datastore.renew(record, TTL, forever);
    record = await datastore.renew(record, 2 * TTL, forever);
    record = await datastore.update(record, attrsOf(9), TTL, forever);
    record = await datastore.move(record, place('10.5.99.0/24'), attrsOf(9), TTL, forever);
    await datastore.delete(record, forever);
    await eventually(async () => (await cluster.leases()).every(({ keys }) => keys.length === 1));
    expect(await cluster.leases()).toHaveLength(4);
  });

  it('is not upset by siblings of the folder or by names that are no leases', async () => {
    await cluster.put(`${PREFIX}/subnets-foo/10.5.9.0-24`, FLANNEL_VALUE);
    await cluster.put(`${SUBNETS}/foo`, 'bar');
    await cluster.put(`${SUBNETS}/10.5.8.0-32`, FLANNEL_VALUE);
    await cluster.put(`${SUBNETS}/10.5.1.0-24`, FLANNEL_VALUE);
    const { records, skipped } = await datastore.list(forever);
    expect(records.map(({ key }) => key)).toEqual(['10.5.1.0-24']);
    expect(skipped.map(({ key }) => key).sort()).toEqual([
      '/coreos.com/network/subnets-foo/10.5.9.0-24',
      '10.5.8.0-32',
      'foo',
    ]);
  });

  it('tells a lease from one whose key merely starts alike', async () => {
    const own = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    await cluster.put(`${SUBNETS}/10.5.1.0-24&fc00::-64`, FLANNEL_VALUE);
    const watched = cleanup.add(new Watched(datastore, (await datastore.list(forever)).revision), (log) => log.stop());
    await cluster.remove(`${SUBNETS}/10.5.1.0-24&fc00::-64`);
    await eventually(() => watched.events.length > 0);
    expect(watched.events).toMatchObject([{ type: 'delete', key: '10.5.1.0-24&fc00::-64' }]);
    await datastore.renew(own, TTL, forever);
  });

  it('is read under a prefix with doubled and trailing slashes, and separately under another', async () => {
    await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    const open = (prefix: string): Datastore =>
      cleanup.add(createEtcdDatastore({ endpoints: cluster.endpoints, prefix }), (opened) => opened.close());
    expect((await open('//coreos.com//network/').list(forever)).records).toHaveLength(1);
    expect((await open('/coreos.com/network2').list(forever)).records).toHaveLength(0);
  });

  it('never gets what flanneld could not read', async () => {
    const wrong = [
      datastore.create(place('10.5.1.1/32'), attrsOf(1), TTL, forever),
      datastore.create(place(null, 'fc00::1/128'), attrsOf(1), TTL, forever),
      datastore.create(place('10.5.1.0/24'), attrsOf(1, { extra: { publicIP: 'x' } }), TTL, forever),
    ];
    for (const call of wrong) await expect(call).rejects.toMatchObject({ code: 'DATASTORE_UNWRITABLE' });
    expect(await cluster.etcdctl(['get', '--prefix', '/'])).toBe('');
    expect(await cluster.leases()).toEqual([]);
  });

  it('lists without asking for the time to live of each key', async () => {
    for (const host of [1, 2, 3]) await datastore.create(place(`10.5.${host}.0/24`), attrsOf(host), TTL, forever);
    const count = async (method: string): Promise<number> => {
      const metrics = await (await fetch(`${cluster.member.endpoint}/metrics`)).text();
      const line = new RegExp(`^grpc_server_handled_total\\{grpc_code="OK",grpc_method="${method}".*\\} (\\d+)$`, 'm');
      return Number(line.exec(metrics)?.[1]);
    };
    const before = [await count('Range'), await count('LeaseTimeToLive')];
    await datastore.list(forever);
    expect([await count('Range'), await count('LeaseTimeToLive')]).toEqual([(before[0] as number) + 1, before[1]]);
  });

  it('lists 5,000 leases', async () => {
    const value = FLANNEL_VALUE.replace('50.1"', '50.2"');
    for (let from = 0; from < 5_000; from += 100) {
      const puts = Array.from({ length: 100 }, (_, index) => {
        const subnet = from + index;
        return `put ${SUBNETS}/10.${subnet >> 8}.${subnet & 255}.0-24 ${JSON.stringify(value)}`;
      });
      await cluster.etcdctl(['txn'], `\n${puts.join('\n')}\n\n\n`);
    }
    await datastore.list(forever);
    const start = performance.now();
    const { records } = await datastore.list(forever);
    const ms = performance.now() - start;
    console.info(`list of 5,000 leases: ${ms.toFixed(0)} ms`);
    expect(records).toHaveLength(5_000);
  });
});

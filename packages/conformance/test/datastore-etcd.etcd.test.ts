import { encodeLeaseValue, leaseKey, type Datastore } from '@tartan/core';
import { createEtcdDatastore } from '@tartan/core/datastore/etcd';
import { datastoreSuite, type DatastoreSubject } from '@tartan/conformance';
import { EtcdCluster, TcpGate } from '@tartan/lab';

let cluster: EtcdCluster;
let worlds = 0;

beforeAll(async () => {
  cluster = await EtcdCluster.start();
});
afterAll(() => cluster.destroy());

/** A prefix of its own for each test; the way to etcd leads through a gate that can be cut. */
async function open(): Promise<DatastoreSubject> {
  const prefix = `/world-${++worlds}`;
  const gate = await TcpGate.open(cluster.member.endpoint);
  const opened: Datastore[] = [];
  const connect = (endpoint: string): Datastore => {
    const datastore = createEtcdDatastore({ endpoints: [endpoint], prefix, timeoutMs: 5_000 });
    opened.push(datastore);
    return datastore;
  };
  const path = (key: string): string => `${prefix}/subnets/${key}`;
  return {
    datastore: connect(`127.0.0.1:${gate.port}`),
    everyChange: true,
    connect: async () => connect(cluster.member.endpoint),
    setConfig: (text) => cluster.put(`${prefix}/config`, text),
    putLease: (subnets, attrs) => cluster.put(path(leaseKey(subnets)), encodeLeaseValue('test', attrs)),
    putUnreadable: (key) => cluster.put(path(key), 'bar'),
    removeKey: (key) => cluster.remove(path(key)),
    // etcd expires by itself; the suite waits for the event.
    pass: async () => undefined,
    compact: () => cluster.compact(),
    breakOff: () => gate.shut(),
    restore: () => gate.reopen(),
    close: async () => {
      await Promise.all(opened.map((datastore) => datastore.close()));
      await gate.close();
    },
  };
}

datastoreSuite({ describe, it, beforeEach, afterEach }, { allocation: true, expiry: true }, open);

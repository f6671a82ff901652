import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { goJson, leaseKey, silentLogger, systemClock, type Datastore } from '@tartan/core';
import { annotationNames, ApiClient, FileCredentials, KubeDatastore } from '@tartan/datastore-kube';
import { flannelAnnotations, sampleNode, TestApiServer } from '@tartan/datastore-kube/testing';
import { datastoreSuite, type DatastoreSubject } from '@tartan/conformance';

async function open(): Promise<DatastoreSubject> {
  const directory = await mkdtemp(join(tmpdir(), 'tartan-kube-'));
  const path = join(directory, 'net-conf.json');
  const server = await new TestApiServer().start();
  const nameOf = new Map<string, string>();
  const opened: Datastore[] = [];
  const connect = (): Datastore => {
    const credentials = new FileCredentials({
      servers: [server.url],
      tokenFile: null,
      caFile: null,
      clock: systemClock,
    });
    const datastore = new KubeDatastore({
      client: new ApiClient({ credentials, clock: systemClock }),
      names: annotationNames('flannel.alpha.coreos.com'),
      identity: null,
      configPath: path,
      clock: systemClock,
      logger: silentLogger,
      pollIntervalMs: 20,
      pageSize: 2,
    });
    opened.push(datastore);
    return datastore;
  };
  const put = (name: string, podCIDRs: string[], annotations: Record<string, string>): void => {
    const node = sampleNode({ name, podCIDRs, annotations: flannelAnnotations(annotations), images: 2 });
    if (server.nodes.has(name)) server.nodes.replace(name, node);
    else server.nodes.create(node);
  };
  return {
    datastore: connect(),
    everyChange: false,
    connect: async () => connect(),
    setConfig: (text) => writeFile(path, text),
    putLease: async (subnets, { publicIP, publicIPv6, backendType, backendData, backendV6Data, owner }) => {
      const key = leaseKey(subnets);
      const name = nameOf.get(key) ?? owner?.node ?? key;
      nameOf.set(key, name);
      put(name, [subnets.subnet, subnets.ipv6Subnet].filter((prefix) => prefix !== null).map(String), {
        'backend-type': backendType,
        'backend-data': backendData === undefined ? 'null' : goJson(backendData),
        'public-ip': publicIP.toString(),
        ...(publicIPv6 && { 'public-ipv6': publicIPv6.toString(), 'backend-v6-data': goJson(backendV6Data ?? null) }),
      });
    },
    putUnreadable: async (key) => {
      nameOf.set(key, `bad-${key}`);
      put(`bad-${key}`, [key.replace(/-(\d+)$/, '/$1')], { 'public-ip': 'nowhere' });
    },
    removeKey: async (key) => {
      server.nodes.delete(nameOf.get(key) ?? key);
    },
    breakOff: async () => {
      await server.stop();
      await rename(path, `${path}.away`).catch(() => undefined);
      await mkdir(path);
    },
    restore: async () => {
      await server.start();
      await rm(path, { recursive: true });
      await rename(`${path}.away`, path).catch(() => undefined);
    },
    close: async () => {
      await Promise.all(opened.map((datastore) => datastore.close()));
      await server.stop();
      await rm(directory, { recursive: true });
    },
  };
}

datastoreSuite({ describe, it, beforeEach, afterEach }, { allocation: false, expiry: false }, open);

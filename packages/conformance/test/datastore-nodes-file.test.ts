import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileDatastore, leaseKey, type Datastore } from '@tartan/core';
import { datastoreSuite, type DatastoreSubject } from '@tartan/conformance';

async function open(): Promise<DatastoreSubject> {
  const directory = await mkdtemp(join(tmpdir(), 'tartan-nodes-'));
  const path = join(directory, 'nodes.json');
  const nodes = new Map<string, object>();
  let network: string | null = null;
  const save = async (): Promise<void> => {
    const config = network === null ? '' : `"network": ${network},\n`;
    await writeFile(`${path}.new`, `{ ${config} "nodes": ${JSON.stringify([...nodes.values()], null, 2)} }`);
    await rename(`${path}.new`, path);
  };
  const opened: Datastore[] = [];
  const connect = (): Datastore => {
    const datastore = createFileDatastore({ path, pollIntervalMs: 50 });
    opened.push(datastore);
    return datastore;
  };
  await save();
  return {
    datastore: connect(),
    everyChange: false,
    connect: async () => connect(),
    setConfig: (text) => {
      network = text;
      return save();
    },
    putLease: (subnets, { owner, ...attrs }) => {
      const key = leaseKey(subnets);
      const assigned = { ...subnets, name: owner?.node ?? key, ...attrs };
      nodes.set(key, assigned);
      return save();
    },
    putUnreadable: (key) => {
      nodes.set(key, { name: key, subnet: key.replace('-', '/'), publicIP: 'nowhere' });
      return save();
    },
    removeKey: (key) => {
      nodes.delete(key);
      return save();
    },
    breakOff: () => rename(path, `${path}.away`),
    restore: () => rename(`${path}.away`, path),
    close: async () => {
      await Promise.all(opened.map((datastore) => datastore.close()));
      await rm(directory, { recursive: true });
    },
  };
}

datastoreSuite({ describe, it, beforeEach, afterEach }, { allocation: false, expiry: false }, open);

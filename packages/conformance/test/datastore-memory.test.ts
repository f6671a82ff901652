import { datastoreSuite, type DatastoreSubject } from '@tartan/conformance';
import { FakeClock, MemoryStore } from '@tartan/core/testing';

async function open(): Promise<DatastoreSubject> {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const datastore = store.connect();
  return {
    datastore,
    everyChange: true,
    connect: async () => store.connect(),
    setConfig: async (text) => store.setConfig(text),
    putLease: async (subnets, attrs) => void store.put(subnets, attrs),
    putUnreadable: async (key) => store.putRaw(key),
    removeKey: async (key) => store.remove(key),
    pass: (seconds) => clock.advance(seconds * 1000 + 1),
    compact: async () => store.compact(),
    breakOff: async () => datastore.partition(),
    restore: async () => datastore.heal(),
    close: () => datastore.close(),
  };
}

datastoreSuite({ describe, it, beforeEach, afterEach }, { allocation: true, expiry: true }, open);

import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileDatastore, encodeLeaseValue, leaseKey, systemClock, type Clock, type Datastore } from '@tartan/core';
import { datastoreSuite, type DatastoreSubject } from '@tartan/conformance';

/** The real time, whose wall clock can be put forward. */
class ShiftedClock implements Clock {
  private shiftMs = 0;
  readonly monotonic = systemClock.monotonic;
  readonly sleep = systemClock.sleep;
  readonly setTimer = systemClock.setTimer;

  now(): number {
    return systemClock.now() + this.shiftMs;
  }

  pass(seconds: number): void {
    this.shiftMs += seconds * 1000;
  }
}

async function open(): Promise<DatastoreSubject> {
  const parent = await mkdtemp(join(tmpdir(), 'tartan-directory-'));
  const path = join(parent, 'leases');
  const clock = new ShiftedClock();
  const opened: Datastore[] = [];
  const connect = (): Datastore => {
    const datastore = createFileDatastore({ path, clock, pollIntervalMs: 50, graceMs: 5_000, timeoutMs: 20_000 });
    opened.push(datastore);
    return datastore;
  };
  await mkdir(path);
  const put = async (name: string, text: string): Promise<void> => {
    await writeFile(join(parent, 'new'), text);
    await rename(join(parent, 'new'), join(path, `${name}.json`));
  };
  return {
    datastore: connect(),
    everyChange: false,
    connect: async () => connect(),
    setConfig: (text) => put('config', text),
    putLease: (subnets, attrs) => put(leaseKey(subnets), `{"value":${encodeLeaseValue('test', attrs)}}`),
    putUnreadable: (key) => put(key, '{"value":'),
    removeKey: (key) => rm(join(path, `${key}.json`)),
    pass: async (seconds) => clock.pass(seconds + 6),
    breakOff: () => rename(path, `${path}-away`),
    restore: () => rename(`${path}-away`, path),
    close: async () => {
      await Promise.all(opened.map((datastore) => datastore.close()));
      await rm(parent, { recursive: true });
    },
  };
}

datastoreSuite({ describe, it, beforeEach, afterEach }, { allocation: true, expiry: true }, open);

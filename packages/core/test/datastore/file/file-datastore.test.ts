import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileDatastore, isTartanError, type Datastore, type FileDatastoreOptions } from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { FileView } from '../../../src/datastore/file/file-view';
import type { Scan } from '../../../src/datastore/file/scan';
import { systemClock } from '../../../src/runtime';
import { attrsOf, Cleanup, forever, place, timed, TTL, Watched } from '../etcd/support';

const cleanup = new Cleanup();
const logger = new MemoryLogger();
let directory: string;

beforeEach(async () => {
  directory = cleanup.add(await mkdtemp(join(tmpdir(), 'tartan-file-')), (path) => rm(path, { recursive: true }));
  logger.lines.length = 0;
});
afterEach(() => cleanup.run());

const open = (path: string, options: Partial<FileDatastoreOptions> = {}): Datastore => {
  const datastore = createFileDatastore({ path, pollIntervalMs: 20, logger, ...options });
  return cleanup.add(datastore, (opened) => opened.close());
};

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    expect(performance.now()).toBeLessThan(deadline);
    await systemClock.sleep(5);
  }
}

describe('lease directory', () => {
  const entry = (key: string): Promise<string> => readFile(join(directory, `${key}.json`), 'utf8');

  it('holds one readable file per lease', async () => {
    const datastore = open(directory);
    await datastore.create(place('10.5.1.0/24', 'fc00::/64'), attrsOf(1), TTL, forever);
    expect(await entry('10.5.1.0-24&fc00::-64')).toMatch(
      /^\{"created":\d{16},"version":1,"expiresAt":"\d{4}-.+Z","value":\{"PublicIP":"192\.168\.50\.1",.*"Tartan":\{"Node":"node-1"\}\}\}\n$/,
    );
    expect((await readdir(directory)).sort()).toEqual(['.tartan', '10.5.1.0-24&fc00::-64.json']);
    expect(await readdir(join(directory, '.tartan'))).toEqual([]);
  });

  it('keeps members of others with their digits', async () => {
    await writeFile(
      join(directory, '10.5.1.0-24.json'),
      '{"value":{"PublicIP":"10.0.0.1","Big":12345678901234567890}}',
    );
    const datastore = open(directory);
    const [record] = (await datastore.list(forever)).records;
    await datastore.update(record!, record!.attrs, TTL, forever);
    expect(await entry('10.5.1.0-24')).toContain('"Big":12345678901234567890');
  });

  it('is an error, not empty, when it is absent or its file system is not mounted', async () => {
    const mounted = join(directory, 'mounted');
    await mkdir(mounted);
    await writeFile(join(mounted, 'config.json'), '{}');
    const datastore = open(mounted);
    await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    const watched = new Watched(datastore, (await datastore.list(forever)).revision);
    await until(() => watched.responses.length > 0);
    await rename(mounted, join(directory, 'away'));
    await mkdir(mounted);
    const { error } = await timed(datastore.list(forever));
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(error?.message).toContain('is the file system mounted?');
    expect(isTartanError(await watched.ended, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(watched.events).toEqual([]);
    expect(logger.matching('datastore unreachable')).toHaveLength(1);
    expect(
      isTartanError((await timed(open(join(directory, 'nowhere')).list(forever))).error, 'DATASTORE_UNAVAILABLE'),
    ).toBe(true);
  });

  it('skips a half-written entry and does not give its place away', async () => {
    await writeFile(join(directory, '10.5.1.0-24.json'), '{"value":{"PublicIP":"10.0');
    const datastore = open(directory);
    const { records, skipped } = await datastore.list(forever);
    expect(records).toEqual([]);
    expect(skipped).toMatchObject([{ key: '10.5.1.0-24' }]);
    await expect(datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever)).rejects.toMatchObject({
      code: 'DATASTORE_CONFLICT',
    });
  });

  it('does not pass on a config that is half written', async () => {
    const path = join(directory, 'config.json');
    await writeFile(path, '{"Network":"10.5.0.0/16"}');
    const datastore = open(directory, { pollIntervalMs: 60_000 });
    expect((await datastore.getConfig(forever)).text).toBe('{"Network":"10.5.0.0/16"}');
    await writeFile(path, '{"Network":"10.6.');
    expect((await datastore.getConfig(forever)).text).toBe('{"Network":"10.5.0.0/16"}');
    await writeFile(path, '{"Network":"10.6.0.0/16"}');
    expect((await datastore.getConfig(forever)).text).toBe('{"Network":"10.6.0.0/16"}');
    // What stays broken is the operator's and is told.
    await writeFile(path, '{broken');
    await datastore.getConfig(forever);
    expect((await datastore.getConfig(forever)).text).toBe('{broken');
  });

  it('orders leases by their creation, the same on every node', async () => {
    const [one, two] = [open(directory), open(directory)];
    await one.create(place('10.5.9.0/24'), attrsOf(9), TTL, forever);
    await two.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    const order = async (datastore: Datastore): Promise<string[]> =>
      [...(await datastore.list(forever)).records]
        .sort((a, b) => (a.createRevision < b.createRevision ? -1 : 1))
        .map(({ key }) => key);
    expect(await order(one)).toEqual(['10.5.9.0-24', '10.5.1.0-24']);
    expect(await order(two)).toEqual(['10.5.9.0-24', '10.5.1.0-24']);
  });

  it('sees an in-place change that leaves size and time stamps almost alone', async () => {
    const path = join(directory, '10.5.1.0-24.json');
    const datastore = open(directory);
    for (const host of [1, 2, 3, 4, 5]) {
      await writeFile(path, `{"value":{"PublicIP":"192.168.50.${host}"}}`);
      const [record] = (await datastore.list(forever)).records;
      expect(record?.attrs.publicIP.toString()).toBe(`192.168.50.${host}`);
    }
  });

  it('names the lock’s holder when it cannot get it in time', async () => {
    await mkdir(join(directory, '.tartan'));
    await writeFile(join(directory, '.tartan', 'lock'), 'other 7 abc');
    const datastore = open(directory, { timeoutMs: 3_000 });
    const { error } = await timed(datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever));
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(error?.message).toContain('locked by other 7 abc');
    expect(await readdir(directory)).toEqual(['.tartan']);
  });
});

describe('static nodes file', () => {
  it('that cannot be used is no file that is away', async () => {
    const path = join(directory, 'nodes.json');
    await writeFile(path, '{"nodes": {}}');
    const { error } = await timed(open(path).list(forever));
    expect(error?.message).toContain('"nodes" is not a list');
    expect(logger.matching('datastore unusable')).toHaveLength(1);
    expect(logger.matching('datastore unreachable')).toHaveLength(0);
  });

  it('tells a node what to enter, naming the file', async () => {
    const path = join(directory, 'nodes.json');
    await writeFile(
      path,
      '{"nodes":[{"name":"a","publicIP":"192.168.50.1","subnet":"10.5.1.0/24","backendType":"vxlan"}]}',
    );
    const datastore = open(path);
    const [record] = (await datastore.list(forever)).records;
    const backendData = { VNI: 1, VtepMAC: '02:00:00:00:00:01' };
    const attrs = attrsOf(1, { backendType: 'vxlan', backendData });
    await expect(datastore.update(record!, attrs, TTL, forever)).rejects.toThrow(
      `${path}: node "a": set "backendData": {"VNI":1,"VtepMAC":"02:00:00:00:00:01"}`,
    );
    await expect(datastore.create(place('10.5.2.0/24'), attrsOf(2), TTL, forever)).rejects.toThrow(
      `${path}: node "node-2": is not listed`,
    );
  });

  it('waits a moment for an editor that writes in place', async () => {
    const path = join(directory, 'nodes.json');
    await writeFile(path, '{"nodes":[');
    const datastore = open(path);
    const listing = datastore.list(forever);
    await systemClock.sleep(20);
    await writeFile(path, '{"nodes":[]}');
    expect((await listing).records).toEqual([]);
  });

  it('is an error, not empty, while it does not parse', async () => {
    const path = join(directory, 'nodes.json');
    await writeFile(path, '{"nodes":[');
    const { error } = await timed(open(path).list(forever));
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(error?.message).toContain(path);
    expect(error?.message).toContain('not valid JSON');
  });
});

describe('path of the file datastore', () => {
  it.each([
    ['nodes.json', false],
    ['leases', true],
    ['leases.d/', true],
  ])('that does not exist yet, %s, allocates: %s', (name, allocation) => {
    expect(open(join(directory, name)).capabilities.allocation).toBe(allocation);
  });

  it('must not be empty', () => {
    expect(() => createFileDatastore({ path: '' })).toThrow('datastore path is empty');
  });
});

describe('a file server that hangs', () => {
  it('costs each caller no more than its time limit, and one operation at a time', async () => {
    let scans = 0;
    let answer: (scan: Scan) => void = () => undefined;
    const source = {
      path: directory,
      scan: (): Promise<Scan> => {
        scans++;
        return new Promise((resolve) => (answer = resolve));
      },
    };
    const intervals = { pollIntervalMs: 10_000, progressIntervalMs: 10_000, timeoutMs: 1_000 };
    const view = new FileView({ source, isDirectory: true, ...intervals, clock: systemClock, logger });
    cleanup.add(view, (opened) => opened.close());
    const calls = await Promise.all([view.list(forever), view.list(forever), view.getConfig(forever)].map(timed));
    for (const { error } of calls) expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(scans).toBe(1);
    answer({ config: null, entries: new Map() });
    const listing = view.list(forever);
    await until(() => scans === 2);
    answer({ config: null, entries: new Map() });
    expect((await listing).records).toEqual([]);
  });

  it('keeps a bounded history of changes', async () => {
    let round = 0;
    const source = {
      path: directory,
      scan: async (): Promise<Scan> => ({ config: String(++round), entries: new Map() }),
    };
    const intervals = { pollIntervalMs: 10_000, progressIntervalMs: 10_000, timeoutMs: 5_000 };
    const view = new FileView({ source, isDirectory: true, ...intervals, clock: systemClock, logger });
    cleanup.add(view, (opened) => opened.close());
    const { revision } = await view.list(forever);
    for (let change = 0; change < 1_100; change++) await view.list(forever);
    await expect(view.watch(revision, forever).next()).rejects.toMatchObject({ code: 'DATASTORE_COMPACTED' });
  });
});

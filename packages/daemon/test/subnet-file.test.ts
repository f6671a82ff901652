import { Ipv4Prefix, LastLeaseStore, parseSubnetEnv, silentLogger, type LastLease } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SubnetFile } from '../src/subnet-file';
import { watchedChecks } from './support/checks';
import { NODE, leaseOf } from './support/leases';
import { until, withoutTime } from './support/settle';

const HOUR_MS = 3_600_000;
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'subnet-file-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function setUp({ ipMasq = false, assigned = false } = {}) {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const { checks, show } = watchedChecks(clock);
  const path = join(directory, 'run', 'subnet.env');
  const memory = new LastLeaseStore({
    directory: join(directory, 'state'),
    key: { subnetFile: path, datastore: 'memory' },
    logger,
  });
  const file = new SubnetFile({
    path,
    memory,
    identity: NODE,
    assigned,
    ipMasq,
    clock,
    logger,
    check: checks.subnetFile,
  });
  const stop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  return {
    clock,
    logger,
    path,
    memory,
    file,
    text: () => readFileSync(path, 'utf8'),
    check: () => show('subnet-file'),
    start: () => void (running = file.run(stop.signal)),
    end: async () => {
      stop.abort();
      await running;
      expect(clock.timers).toBe(0);
    },
  };
}

const NETWORK = { network: Ipv4Prefix.parse('10.5.0.0/16'), ipv6Network: null };
const content = (subnet: string, mtuBytes = 1450) => ({ lease: leaseOf(subnet), ...NETWORK, mtuBytes });
const textOf = (subnet: string, mtuBytes = 1450, masq = false): string =>
  `FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=${subnet}\nFLANNEL_MTU=${mtuBytes}\nFLANNEL_IPMASQ=${masq}\n`;

function remembered(clock: FakeClock, subnet: string, over: Partial<LastLease> = {}): LastLease {
  return {
    ...content(subnet),
    lease: leaseOf(subnet, '192.168.50.1', { expiresAt: clock.now() + HOUR_MS }),
    ipMasq: false,
    ...over,
  };
}

test('writes what it is told, passes its check, and remembers the lease', async () => {
  const { clock, file, text, check, memory, start, end } = setUp({ ipMasq: true });
  start();
  file.set(content('10.5.1.0/24'));
  await until(clock, () => check().startsWith('+'));
  expect(text()).toBe(textOf('10.5.1.1/24', 1450, true));
  await withoutTime(() => existsSync(memory.path), 'the lease is remembered');
  expect((await memory.read())?.lease.subnet?.toString()).toBe('10.5.1.0/24');
  await end();
});

test('another subnet takes the check back until the file says so', async () => {
  const { clock, file, text, check, start, end } = setUp();
  start();
  file.set(content('10.5.1.0/24'));
  await until(clock, () => check().startsWith('+'));
  file.set(content('10.5.2.0/24'));
  expect(check()).toBe('-out of date, being written');
  await until(clock, () => check().startsWith('+'));
  expect(text()).toBe(textOf('10.5.2.1/24'));
  // A renewal changes nothing in the file, so nothing about readiness.
  file.set({ ...content('10.5.2.0/24'), lease: leaseOf('10.5.2.0/24', '192.168.50.1', { expiresAt: 1 }) });
  expect(check()).toMatch(/^\+/);
  await end();
});

test('a directory that cannot be written keeps the node unready, and it recovers by itself', async () => {
  const { clock, logger, file, check, text, path, start, end } = setUp();
  writeFileSync(join(directory, 'run'), 'a file where the directory should be');
  start();
  file.set(content('10.5.1.0/24'));
  await until(clock, () => logger.matching('cannot be written').length > 0);
  expect(check()).toMatch(/^-cannot write .*ENOTDIR|EEXIST/);
  await until(clock, () => clock.now() > 1_700_000_060_000, { limitMs: 120_000, stepMs: 500 });
  expect(logger.matching('cannot be written')).toHaveLength(1);
  rmSync(join(directory, 'run'));
  await until(clock, () => check().startsWith('+'), { stepMs: 100 });
  expect(path).toContain(directory);
  expect(text()).toBe(textOf('10.5.1.1/24'));
  await end();
});

test('a newer statement is not held up by the back-off of an older one', async () => {
  const { clock, file, check, text, start, end } = setUp();
  writeFileSync(join(directory, 'run'), '');
  start();
  file.set(content('10.5.1.0/24'));
  await until(clock, () => clock.now() > 1_700_000_040_000, { limitMs: 60_000, stepMs: 500 });
  rmSync(join(directory, 'run'));
  file.set(content('10.5.2.0/24'));
  await withoutTime(() => check().startsWith('+'));
  expect(text()).toBe(textOf('10.5.2.1/24'));
  await end();
});

test('a file that somebody removes or edits is put right again', async () => {
  const { clock, file, check, text, path, start, end } = setUp();
  start();
  file.set(content('10.5.1.0/24'));
  await until(clock, () => check().startsWith('+'));
  rmSync(path);
  await until(clock, () => existsSync(path), { stepMs: 500 });
  writeFileSync(path, 'FLANNEL_SUBNET=10.9.9.1/24\n');
  await until(clock, () => text() === textOf('10.5.1.1/24'), { stepMs: 500 });
  await end();
});

test('a memory that cannot be written costs one warning and nothing else', async () => {
  const { clock, logger, file, check, start, end } = setUp();
  writeFileSync(join(directory, 'state'), '');
  start();
  for (const subnet of ['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24']) {
    file.set(content(subnet));
    await until(clock, () => check().startsWith('+'));
    await withoutTime(() => logger.matching('lease cannot be remembered').length > 0);
  }
  expect(logger.matching('lease cannot be remembered')).toHaveLength(1);
  await end();
});

describe('restore', () => {
  test('the last lease is back before anything else is known', async () => {
    const { clock, file, memory, text } = setUp({ ipMasq: true });
    await memory.write(remembered(clock, '10.5.1.0/24'));
    expect((await file.restore(null))?.lease.subnet?.toString()).toBe('10.5.1.0/24');
    // Masquerading is an option of this start, not of the last one.
    expect(text()).toBe(textOf('10.5.1.1/24', 1450, true));
  });

  test.each([
    ['ran out', (clock: FakeClock) => ({ lease: leaseOf('10.5.1.0/24', '192.168.50.1', { expiresAt: clock.now() }) })],
    [
      'was another machine’s',
      (clock: FakeClock) => ({
        lease: leaseOf('10.5.1.0/24', '192.168.50.1', {
          expiresAt: clock.now() + HOUR_MS,
          attrs: { ...leaseOf('10.5.1.0/24').attrs, owner: { node: 'node1', machine: 'b'.repeat(32) } },
        }),
      }),
    ],
  ])('nothing is written from a lease that %s', async (_, over) => {
    const { clock, file, memory, path } = setUp();
    await memory.write(remembered(clock, '10.5.1.0/24', over(clock)));
    expect(await file.restore(null)).toBeNull();
    expect(existsSync(path)).toBe(false);
  });

  test('where the subnet goes with the node, nothing is written from what a node of another name left', async () => {
    const { clock, file, memory, path } = setUp({ assigned: true });
    const named = (node: string) =>
      remembered(clock, '10.5.1.0/24', {
        lease: leaseOf('10.5.1.0/24', '192.168.50.1', {
          expiresAt: clock.now() + HOUR_MS,
          attrs: { ...leaseOf('10.5.1.0/24').attrs, owner: { node } },
        }),
      });
    await memory.write(named('template'));
    expect(await file.restore(null)).toBeNull();
    expect(existsSync(path)).toBe(false);
    await memory.write(named('node1'));
    expect(await file.restore(null)).not.toBeNull();
  });

  test('a file that tells of another subnet is newer than our memory, and stays', async () => {
    const { clock, file, memory, path, text } = setUp();
    await memory.write(remembered(clock, '10.5.1.0/24'));
    mkdirSync(join(directory, 'run'));
    writeFileSync(path, textOf('10.5.77.1/24'));
    expect(await file.restore(parseSubnetEnv(text(), silentLogger))).toBeNull();
    expect(text()).toBe(textOf('10.5.77.1/24'));
  });

  test('a directory that cannot be written is no reason to do without the lease', async () => {
    const { clock, file, memory, logger } = setUp();
    await memory.write(remembered(clock, '10.5.1.0/24'));
    writeFileSync(join(directory, 'run'), '');
    expect((await file.restore(null))?.lease.subnet?.toString()).toBe('10.5.1.0/24');
    expect(logger.matching('cannot be restored')).toHaveLength(1);
  });
});

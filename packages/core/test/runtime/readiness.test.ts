import { ReadinessRegistry } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';

let clock: FakeClock;
let logger: MemoryLogger;
let registry: ReadinessRegistry;

beforeEach(() => {
  clock = new FakeClock();
  logger = new MemoryLogger();
  registry = new ReadinessRegistry({ clock, logger });
});

const declare = (name: string, required?: boolean) =>
  registry.declare({ name, waitingFor: `no ${name} yet`, ...(required !== undefined && { required }) });

it('is not ready without any check', () => {
  expect(registry.ready).toBe(false);
});

it('is ready when every required check passes, and falls back when one fails', () => {
  const [lease, file] = [declare('lease'), declare('subnet-file')];
  expect(registry.missing).toBe('lease: no lease yet; subnet-file: no subnet-file yet');
  lease.pass();
  expect(registry.ready).toBe(false);
  file.pass();
  expect([registry.ready, registry.missing]).toEqual([true, '']);
  lease.fail('taken by 10.0.0.9');
  expect([registry.ready, registry.missing]).toEqual([false, 'lease: taken by 10.0.0.9']);
});

it('shows informational checks without counting them', () => {
  declare('lease').pass();
  const datastore = declare('datastore', false);
  datastore.fail('etcd does not answer');
  expect(registry.ready).toBe(true);
  expect(registry.checks()[1]).toMatchObject({ name: 'datastore', ok: false, required: false });
});

it('is not ready on informational checks alone', () => {
  declare('datastore', false).pass();
  expect(registry.ready).toBe(false);
});

it('since tells when a check turned, not when its message changed', async () => {
  const lease = declare('lease');
  const start = clock.now();
  await clock.advance(1_000);
  lease.fail('still none');
  expect(registry.checks()[0]).toMatchObject({ since: start, message: 'still none' });
  lease.pass('10.5.1.0/24');
  expect(registry.checks()[0]).toMatchObject({ since: start + 1_000, ok: true, message: '10.5.1.0/24' });
});

it('logs only when readiness as a whole turns', () => {
  const [lease, file] = [declare('lease'), declare('file')];
  lease.pass();
  file.pass();
  file.pass('again');
  lease.fail('gone');
  file.fail('gone too');
  lease.pass();
  file.pass();
  expect(logger.lines.map(({ message }) => message)).toEqual([
    'node is ready',
    'node is not ready any more',
    'node is ready',
  ]);
  expect(logger.lines[1]?.fields).toEqual({ missing: 'lease: gone' });
});

it('turns back when a check is declared late', () => {
  declare('lease').pass();
  declare('rules');
  expect(registry.ready).toBe(false);
});

it('tells listeners of changes only, until they leave', () => {
  const lease = declare('lease');
  const calls: boolean[] = [];
  const leave = registry.onChange(() => calls.push(registry.ready));
  lease.pass();
  lease.pass();
  lease.fail('gone');
  leave();
  lease.pass();
  expect(calls).toEqual([true, false]);
});

it('refuses a name twice', () => {
  declare('lease');
  expect(() => declare('lease')).toThrow('declared twice');
});

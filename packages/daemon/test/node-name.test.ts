import { type Lease, type LeaseManager, type LeaseRequest, ShutdownRequested } from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { NodeName } from '../src/node-name';
import { attrsOf, configOf, leaseOf } from './support/leases';

let logger: MemoryLogger;
let stop: AbortController;
/** What the API server says, when it says it, and that it does not answer. */
let tell: (name: string) => void;
let complain: () => void;
let asked: AbortSignal;

beforeEach(() => {
  logger = new MemoryLogger();
  stop = new AbortController();
});
afterEach(() => stop.abort(new ShutdownRequested('daemon')));

function find(remembered: string | null): Promise<NodeName> {
  const ask = (signal: AbortSignal, onProblem: () => void): Promise<string> => {
    asked = signal;
    complain = onProblem;
    return new Promise((resolve, reject) => {
      tell = resolve;
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  };
  return NodeName.find({ ask, remembered: () => Promise.resolve(remembered), logger }, stop.signal);
}

/** Whether a promise has settled once everything that was due has run. */
async function pending(promise: Promise<unknown>): Promise<boolean> {
  const still = Symbol('still');
  const settled = promise.then(
    () => null,
    () => null,
  );
  const after = new Promise((resolve) => setImmediate(() => resolve(still)));
  return (await Promise.race([settled, after])) === still;
}

class FakeLeases implements LeaseManager {
  calls: string[] = [];
  acquire = (): Promise<Lease> => this.note('acquire', leaseOf('10.5.1.0/24'));
  updateAttrs = (): Promise<Lease> => this.note('updateAttrs', leaseOf('10.5.1.0/24'));
  maintain = (): Promise<void> => this.note('maintain', undefined);
  watchPeers = (): Promise<void> => this.note('watchPeers', undefined);
  watchStatus = (): ReturnType<LeaseManager['watchStatus']> => {
    throw new Error('not asked for here');
  };
  private note<Result>(call: string, result: Result): Promise<Result> {
    this.calls.push(call);
    return Promise.resolve(result);
  }
}

function request(heard: string[]): LeaseRequest {
  return {
    config: configOf(),
    attrs: attrsOf('192.168.50.1'),
    onWaiting: (reason) => heard.push(reason),
    onUnavailable: () => heard.push('unavailable'),
  };
}

test('an answer of the API server goes before what is remembered', async () => {
  const found = find('old');
  tell('new');
  const { name } = await found;
  expect([name, logger.lines]).toEqual(['new', []]);
});

test('without an answer and without memory it is waited for', async () => {
  const found = find(null);
  complain();
  expect(await pending(found)).toBe(true);
  tell('node1');
  expect((await found).name).toBe('node1');
});

test('without an answer the name of the last run is taken, and writes wait until it is confirmed', async () => {
  const found = find('node1');
  complain();
  const name = await found;
  expect(name.name).toBe('node1');
  expect(logger.matching('starting with that of the last run')).toHaveLength(1);
  const leases = new FakeLeases();
  const guarded = name.guard(leases);
  const heard: string[] = [];
  const acquired = guarded.acquire(request(heard), stop.signal);
  const watched = guarded.watchPeers(() => undefined, stop.signal);
  expect([await pending(acquired), await pending(watched)]).toEqual([true, true]);
  expect(heard).toEqual([expect.stringContaining('name of this node'), 'unavailable']);
  expect(leases.calls).toEqual([]);
  tell('node1');
  await Promise.all([acquired, watched, name.confirmed(stop.signal)]);
  expect(leases.calls.sort()).toEqual(['acquire', 'watchPeers']);
  await guarded.acquire(request(heard), stop.signal);
  expect(heard).toHaveLength(2);
});

test('another name than the remembered one ends it, before anything is written', async () => {
  const found = find('old');
  complain();
  const name = await found;
  const leases = new FakeLeases();
  const acquired = name.guard(leases).acquire(request([]), stop.signal);
  tell('new');
  const wrong = { code: 'NODE_NAME_CHANGED', data: { node: 'new', remembered: 'old' } };
  await expect(acquired).rejects.toMatchObject(wrong);
  await expect(name.confirmed(stop.signal)).rejects.toMatchObject(wrong);
  expect(leases.calls).toEqual([]);
});

test('a request to stop ends every wait, and the asking', async () => {
  const found = find('node1');
  complain();
  const name = await found;
  const waiting = name.confirmed(stop.signal);
  stop.abort(new ShutdownRequested('SIGTERM'));
  await expect(waiting).rejects.toBeInstanceOf(ShutdownRequested);
  expect(asked.aborted).toBe(true);
});

test('a name that was told is confirmed', async () => {
  const leases = new FakeLeases();
  await NodeName.told('node1').guard(leases).acquire(request([]), stop.signal);
  expect(leases.calls).toEqual(['acquire']);
});

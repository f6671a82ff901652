import { FakeClock } from '@tartan/core/testing';
import { WakeUp } from '../src/wake-up';
import { settled } from './support/settle';

const never = new AbortController().signal;

function setUp() {
  const clock = new FakeClock();
  return { clock, wakeUp: new WakeUp(clock) };
}

/** Tells whether a promise has settled by now. */
function watch(promise: Promise<unknown>): { done: boolean } {
  const state = { done: false };
  void promise.then(
    () => (state.done = true),
    () => (state.done = true),
  );
  return state;
}

test('a setting while nobody waits is kept for the next wait, once', async () => {
  const { wakeUp, clock } = setUp();
  wakeUp.wake();
  wakeUp.wake();
  expect(wakeUp.pending).toBe(true);
  await wakeUp.wait(never);
  expect(wakeUp.pending).toBe(false);
  const second = watch(wakeUp.wait(never, 1_000));
  await settled(1);
  expect(second.done).toBe(false);
  await clock.advance(1_000);
  expect(second.done).toBe(true);
});

test('a wait ends at the wake-up, and leaves no timer and no listener', async () => {
  const { wakeUp, clock } = setUp();
  const stop = new AbortController();
  const waiting = wakeUp.wait(stop.signal, 60_000);
  wakeUp.wake();
  await waiting;
  expect(clock.timers).toBe(0);
  stop.abort();
  const later = watch(wakeUp.wait(never));
  await settled(1);
  expect(later.done).toBe(false);
});

test('an abort ends the wait, also one that came before it', async () => {
  const { wakeUp, clock } = setUp();
  const stop = new AbortController();
  const waiting = wakeUp.wait(stop.signal, 60_000);
  stop.abort();
  await waiting;
  await wakeUp.wait(stop.signal);
  expect(clock.timers).toBe(0);
});

test('a change aborts the work that was begun before it, and is still there afterwards', async () => {
  const { wakeUp } = setUp();
  wakeUp.wake();
  const seen: string[] = [];
  const work = wakeUp.interruptible(never, async (signal) => {
    seen.push(`pending ${wakeUp.pending}`);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    seen.push('aborted');
    throw new Error('given up');
  });
  wakeUp.wake();
  await expect(work).rejects.toThrow('given up');
  expect(seen).toEqual(['pending false', 'aborted']);
  expect(wakeUp.pending).toBe(true);
});

test('work that is through is not disturbed by later changes', async () => {
  const { wakeUp } = setUp();
  let inner: AbortSignal | undefined;
  expect(
    await wakeUp.interruptible(never, async (signal) => {
      inner = signal;
      return 42;
    }),
  ).toBe(42);
  wakeUp.wake();
  expect(inner?.aborted).toBe(false);
});

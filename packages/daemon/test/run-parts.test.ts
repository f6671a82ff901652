import { ShutdownRequested } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { getMaxListeners } from 'node:events';
import { type Part, beforeAbort, runParts } from '../src/run-parts';
import { settled } from './support/settle';

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

const working: Part = { name: 'working', run: untilAborted };
const failing = (message: string): Part => ({ name: 'failing', run: () => Promise.reject(new Error(message)) });

function setUp() {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  return { clock, logger, stop: new AbortController(), patience: { clock, logger, graceMs: 1_000 } };
}

test('an orderly request ends all parts and resolves', async () => {
  const { stop, patience, clock } = setUp();
  const ended: string[] = [];
  const part = (name: string): Part => ({
    name,
    run: async (signal) => {
      await untilAborted(signal);
      ended.push(name);
    },
  });
  const running = runParts([part('a'), part('b')], stop.signal, patience);
  stop.abort(new ShutdownRequested('SIGTERM'));
  await running;
  expect(ended).toEqual(['a', 'b']);
  expect(clock.timers).toBe(0);
});

test('many parts that wait for the end are no leak', async () => {
  const { stop } = setUp();
  let allowed = 0;
  const part: Part = {
    name: 'part',
    run: (signal) => {
      allowed = getMaxListeners(signal);
      return untilAborted(signal);
    },
  };
  const running = runParts(Array<Part>(20).fill(part), stop.signal);
  stop.abort(new ShutdownRequested('SIGTERM'));
  await running;
  expect(allowed).toBeGreaterThan(20);
});

test('the first failure ends the others and is what is told, whatever they throw on their way out', async () => {
  const { stop } = setUp();
  const sore: Part = {
    name: 'sore',
    run: async (signal) => {
      await untilAborted(signal);
      throw new Error('aborted');
    },
  };
  await expect(runParts([sore, failing('broken'), working], stop.signal)).rejects.toThrow('broken');
});

test('a part that returns without having been asked to is a failure, not a clean end', async () => {
  const { stop } = setUp();
  await expect(runParts([working, { name: 'watcher', run: () => Promise.resolve() }], stop.signal)).rejects.toThrow(
    'watcher ended by itself',
  );
});

test('an abort for another reason than a request rejects with it', async () => {
  const { stop, patience } = setUp();
  const running = runParts([working], stop.signal, patience);
  stop.abort(new Error('unhandled rejection'));
  await expect(running).rejects.toThrow('unhandled rejection');
});

test('a part that never ends is named and left behind, after a request and after a failure', async () => {
  const { stop, patience, clock, logger } = setUp();
  const stuck: Part = { name: 'stuck', run: () => new Promise(() => undefined) };
  const running = runParts([stuck, working], stop.signal, patience);
  stop.abort(new ShutdownRequested('SIGTERM'));
  await settled(1);
  await clock.advance(1_000);
  await running;
  expect(logger.matching('did not end in time')[0]?.fields).toEqual({ parts: ['stuck'] });

  const failed = runParts([stuck, failing('broken')], new AbortController().signal, patience);
  const outcome = expect(failed).rejects.toThrow('broken');
  await settled(1);
  await clock.advance(1_000);
  await outcome;
});

test('a signal that is aborted already starts nothing for long', async () => {
  const { stop, patience } = setUp();
  stop.abort(new ShutdownRequested('SIGINT'));
  await runParts([{ name: 'brief', run: () => Promise.resolve() }], stop.signal, patience);
  expect(await beforeAbort(new Promise(() => undefined), stop.signal)).toBeNull();
});

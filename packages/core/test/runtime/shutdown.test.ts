import { EventEmitter } from 'node:events';
import { Shutdown, ShutdownRequested } from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';

let signals: EventEmitter;
let exits: number[];
let logger: MemoryLogger;
let shutdown: Shutdown;

beforeEach(() => {
  signals = new EventEmitter();
  exits = [];
  logger = new MemoryLogger();
  shutdown = new Shutdown({ signals, exit: (code) => exits.push(code), logger });
});

it.each(['SIGINT', 'SIGTERM'] as const)('the first %s asks for a clean end', (name) => {
  expect(shutdown.signal.aborted).toBe(false);
  signals.emit(name);
  expect(shutdown.signal.reason).toBeInstanceOf(ShutdownRequested);
  expect(shutdown.signal.reason).toMatchObject({ by: name });
  expect(exits).toEqual([]);
  expect(logger.lines).toMatchObject([{ level: 'info', message: 'stopping', fields: { signal: name } }]);
});

it.each([
  ['SIGINT', 'SIGINT', 130],
  ['SIGTERM', 'SIGTERM', 143],
  ['SIGTERM', 'SIGINT', 130],
])('%s, then %s ends at once with %i', (first, second, code) => {
  signals.emit(first);
  signals.emit(second);
  expect(exits).toEqual([code]);
});

it('a signal after a failure ends at once', () => {
  const failure = new Error('lease lost');
  shutdown.fail(failure);
  shutdown.request();
  expect(shutdown.signal.reason).toBe(failure);
  signals.emit('SIGTERM');
  expect(exits).toEqual([143]);
});

it('can be asked for by the daemon itself', () => {
  shutdown.request();
  expect(shutdown.signal.reason).toMatchObject({ by: 'daemon' });
});

it('gives the signals back on close', () => {
  shutdown.close();
  expect(signals.eventNames()).toEqual([]);
});

import { Ipv4Address } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LoopMemory, type LoopState } from '../src/loop-memory';
import { encodeRoutes } from '../src/native/encode-routes';
import { decodeSavedLoop, type SavedLoop } from '../src/resume/saved-loop';
import { packetRoute, savedLoop, surroundings } from './support/saved';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'loop-memory-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const stateOf = (...peers: number[]): LoopState => ({
  options: { tunName: 'flannel0', mtuBytes: 1472, listen: { ipv4: Ipv4Address.parse('192.168.50.1'), port: 8285 } },
  ifindex: 7,
  networks: ['10.5.0.0/16'],
  routes: peers.map(packetRoute),
});

function setUp() {
  const path = join(folder, 'state', 'resume-1');
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const memory = new LoopMemory({ path, startedWith: 'options', clock, logger, surroundings: () => surroundings });
  const saved = (): SavedLoop => decodeSavedLoop(readFileSync(path));
  return { path, clock, logger, memory, saved };
}

/** File work goes on outside of the fake time. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

function reads(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

it('writes once some time after the first of many changes, for us alone', async () => {
  const { path, clock, memory, saved } = setUp();
  memory.remember(stateOf(2));
  await clock.advance(999);
  memory.remember(stateOf(2, 3));
  expect(reads(saved)).toBe(false);
  await clock.advance(1);
  await until(() => reads(saved));
  expect(saved()).toEqual({ ...savedLoop({ writtenAt: clock.now() }), routes: expect.anything() as Uint8Array });
  expect(Buffer.from(saved().routes)).toEqual(Buffer.from(encodeRoutes([packetRoute(2), packetRoute(3)])));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, 'state'))).toEqual(['resume-1']);
  await memory.close();
  expect(clock.timers).toBe(0);
});

it('is young at all times, also without a change', async () => {
  const { clock, memory, saved } = setUp();
  memory.remember(stateOf(2));
  await clock.advance(1_000);
  await until(() => reads(saved) && clock.timers === 1);
  const { writtenAt } = saved();
  await clock.advance(600_000);
  await until(() => saved().writtenAt === writtenAt + 600_000 && clock.timers === 1);
  memory.remember(stateOf(2, 3));
  await clock.advance(1_000);
  await until(() => saved().routes.length === 112);
  await memory.close();
});

it('writes what waits when it is closed, and nothing where nothing is known', async () => {
  const { clock, memory, saved } = setUp();
  await memory.close();
  expect(reads(saved)).toBe(false);
  memory.remember(stateOf(2));
  await memory.close();
  expect(saved().routes).toHaveLength(56);
  expect(clock.timers).toBe(0);
});

it('replaces what lies there whatever it is, and tells once of a file that cannot be written', async () => {
  const { path, logger, memory, saved } = setUp();
  mkdirSync(join(folder, 'state'));
  writeFileSync(`${path}.tmp`, 'half of one', { mode: 0o644 });
  mkdirSync(path);
  for (const peers of [[2], [2, 3]]) {
    memory.remember(stateOf(...peers));
    await memory.close();
  }
  expect(logger.matching('cannot be saved')).toHaveLength(1);
  rmSync(path, { recursive: true });
  memory.remember(stateOf(2, 3, 4));
  await memory.close();
  expect(saved().routes).toHaveLength(168);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

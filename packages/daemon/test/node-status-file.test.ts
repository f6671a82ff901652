import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReadinessRegistry, silentLogger } from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';
import { eventually } from '@tartan/lab';
import { NodeStatusFile } from '../src/node-status-file';

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tartan-status-'));
  path = join(root, 'subnet.env.status');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function start() {
  const clock = new FakeClock();
  const readiness = new ReadinessRegistry({ clock, logger: silentLogger });
  const check = readiness.declare({ name: 'lease', waitingFor: 'none yet' });
  const subnetFile = join(root, 'subnet.env');
  const stop = new AbortController();
  const running = new NodeStatusFile({ subnetFile, readiness, clock, logger: silentLogger }).run(stop.signal);
  const end = (): Promise<void> => {
    stop.abort();
    return running;
  };
  /** Moves time in small steps until the file says so. */
  const says = (expected: object | null): Promise<unknown> =>
    eventually(async () => {
      await clock.advance(150);
      expect(existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as unknown) : null).toEqual(expected);
    });
  return { clock, check, end, says };
}

test('a node that never was ready says why from the start, and follows', async () => {
  const { check, end, says } = start();
  await says({ ready: false, reason: 'lease: none yet' });
  check.fail('no etcd endpoint answers');
  await says({ ready: false, reason: 'lease: no etcd endpoint answers' });
  check.pass();
  await says({ ready: true });
  await end();
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ready: true });
});

test('a restart does not show', async () => {
  writeFileSync(path, '{"ready":true}');
  const { clock, check, end } = start();
  for (let step = 0; step < 10; step++) await clock.advance(1_000);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ready: true });
  check.pass();
  await clock.advance(1_000);
  await end();
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ ready: true });
});

test('what lasts does', async () => {
  writeFileSync(path, '{"ready":true}');
  const { end, says } = start();
  await says({ ready: false, reason: 'lease: none yet' });
  await end();
  expect(existsSync(path)).toBe(false);
});

test('a folder that comes later is written to later', async () => {
  rmSync(root, { recursive: true });
  writeFileSync(root, 'a file in the way');
  const { clock, end, says } = start();
  for (let step = 0; step < 5; step++) await clock.advance(1_000);
  rmSync(root);
  await says({ ready: false, reason: 'lease: none yet' });
  await end();
});

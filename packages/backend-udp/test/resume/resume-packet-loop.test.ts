import { chmodSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dropResumed, resumePacketLoop, takeResumed, type Resumption } from '../../src/resume';
import { encodeSavedLoop, type SavedLoop } from '../../src/resume/saved-loop';
import { fakeNativeLoop, NOW, savedLoop, surroundings } from '../support/saved';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'resume-'))));
afterEach(() => {
  takeResumed();
  rmSync(folder, { recursive: true });
});

function save(name = 'one', change: Partial<SavedLoop> = {}): string {
  const path = join(folder, name);
  writeFileSync(path, encodeSavedLoop(savedLoop(change)), { mode: 0o600 });
  return path;
}

const started: SavedLoop[] = [];
beforeEach(() => void started.splice(0));

function resume(
  paths: readonly string[],
  change: { readonly now?: number; readonly failure?: Error } = {},
): Resumption {
  const { now = NOW + 1_000, failure } = change;
  return resumePacketLoop({
    paths,
    startedWith: 'options',
    surroundings: () => surroundings,
    now: () => now,
    start: (saved) => {
      if (failure) throw failure;
      started.push(saved);
      return fakeNativeLoop();
    },
  });
}

it('goes on with what was saved, and gives it to the first who asks', () => {
  const path = save();
  expect(resume([path])).toEqual({ kind: 'resumed', path, routes: 2 });
  expect(started).toMatchObject([{ ifindex: 7, options: { port: 8285 } }]);
  expect(takeResumed()?.saved).toBe(started[0]);
  expect(takeResumed()).toBeUndefined();
});

it('finds its own file among those of other daemons', () => {
  const paths = [save('one', { startedWith: 'others' }), save('two'), save('three', { bootId: 'boot 0' })];
  expect(resume(paths)).toMatchObject({ kind: 'resumed', path: paths[1] });
  expect(started).toHaveLength(1);
});

it('says nothing where nothing was saved', () => {
  expect(resume([])).toEqual({ kind: 'nothing saved' });
});

it('stops a loop that nobody takes', async () => {
  const loop = fakeNativeLoop();
  resumePacketLoop({
    paths: [save()],
    startedWith: 'options',
    surroundings: () => surroundings,
    now: () => NOW,
    start: () => loop,
  });
  await dropResumed();
  await dropResumed();
  expect(loop.stopped).toBe(true);
  expect(takeResumed()).toBeUndefined();
});

const HOUR = 3_600_000;
const refusals: readonly [name: string, file: () => string, reason: RegExp, now?: number][] = [
  ['of a daemon with other options', () => save('one', { startedWith: 'others' }), /other options/],
  ['from before a boot', () => save('one', { bootId: 'boot 0' }), /booted since/],
  ['of another network namespace', () => save('one', { networkNamespace: 'net:[2]' }), /namespace/],
  ['that is old', () => save(), /too old/, NOW + HOUR + 1],
  ['from the future', () => save(), /the time was set/, NOW - 1],
  ['that others may read', () => open(save(), 0o640), /not ours alone/],
  ['that others may write', () => open(save(), 0o602), /not ours alone/],
  ['that is too large', () => grow(save()), /larger than/],
  ['that is empty', () => cut(save()), /incomplete/],
  ['that is gone meanwhile', () => join(folder, 'gone'), /ENOENT/],
  ['that is a folder', () => folder, /./],
];

function open(path: string, mode: number): string {
  chmodSync(path, mode);
  return path;
}

function cut(path: string): string {
  truncateSync(path, 0);
  return path;
}

function grow(path: string): string {
  truncateSync(path, 2 ** 24 + 1);
  return path;
}

it.each(refusals)('refuses a file %s', (_, file, reason, now = NOW) => {
  const path = file();
  expect(resume([path], { now })).toEqual({ kind: 'refused', path, reason: expect.stringMatching(reason) as string });
  expect(started).toEqual([]);
  expect(takeResumed()).toBeUndefined();
});

it('refuses where the loop cannot start', () => {
  const failure = new Error('EADDRINUSE from bind');
  expect(resume([save()], { failure })).toMatchObject({ kind: 'refused', reason: 'EADDRINUSE from bind' });
  expect(takeResumed()).toBeUndefined();
});

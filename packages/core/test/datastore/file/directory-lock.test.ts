import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, type Clock } from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { DirectoryLock } from '../../../src/datastore/file/directory-lock';

/** Real pauses, but a monotonic time that a test can put forward. */
class SkippingClock implements Clock {
  private skipped = 0;
  readonly now = systemClock.now;
  readonly setTimer = systemClock.setTimer;
  readonly sleep = systemClock.sleep;

  monotonic(): number {
    return systemClock.monotonic() + this.skipped;
  }

  skip(ms: number): void {
    this.skipped += ms;
  }
}

describe('directory lock', () => {
  let directory: string;
  let clock: SkippingClock;
  let logger: MemoryLogger;
  const lock = (): DirectoryLock => new DirectoryLock({ directory, clock, logger });
  const always = (): boolean => true;
  const leaveBehind = async (token: string): Promise<void> => {
    await mkdir(join(directory, '.tartan'), { recursive: true });
    await writeFile(join(directory, '.tartan', 'lock'), token);
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tartan-lock-'));
    clock = new SkippingClock();
    logger = new MemoryLogger();
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('lets one in at a time, and leaves nothing behind', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await systemClock.sleep(2);
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => lock().run(always, work)));
    expect(most).toBe(1);
    expect(await readdir(join(directory, '.tartan'))).toEqual([]);
  });

  it('is given back when the work fails', async () => {
    const failure = new Error('no');
    await expect(lock().run(always, () => Promise.reject(failure))).rejects.toBe(failure);
    await lock().run(
      () => false,
      async () => undefined,
    );
  });

  it('gives up waiting when it may not wait, and says who holds it', async () => {
    await leaveBehind('other-host 77 abc');
    await expect(
      lock().run(
        () => false,
        async () => undefined,
      ),
    ).rejects.toThrow('locked by other-host 77 abc');
  });

  it('is taken from a holder that has not moved for a while, and only then', async () => {
    await leaveBehind('other-host 77 abc');
    const impatient = lock();
    const attempt = (): Promise<string> =>
      impatient.run(
        () => false,
        async () => 'done',
      );
    await expect(attempt()).rejects.toThrow('locked');
    clock.skip(14_000);
    await expect(attempt()).rejects.toThrow('locked');
    await leaveBehind('other-host 77 abcd');
    clock.skip(2_000);
    await expect(attempt()).rejects.toThrow('locked');
    clock.skip(16_000);
    await expect(impatient.run(always, async () => 'done')).resolves.toBe('done');
    expect(logger.lines).toMatchObject([
      { message: 'removed the lock that a dead process left behind', fields: { host: 'other-host', pid: '77' } },
    ]);
  });

  it('warns a holder that was too slow before it writes', async () => {
    await expect(
      lock().run(always, async ({ confirm }) => {
        await confirm();
        clock.skip(10_000);
        await confirm();
      }),
    ).rejects.toThrow('held for too long');
  });

  it('warns a holder that lost it, and leaves the new holder’s lock alone', async () => {
    const path = join(directory, '.tartan', 'lock');
    await expect(
      lock().run(always, async ({ confirm }) => {
        await leaveBehind('other-host 77 abc');
        await confirm();
      }),
    ).rejects.toThrow('may be lost');
    expect(await readFile(path, 'utf8')).toBe('other-host 77 abc');
  });
});

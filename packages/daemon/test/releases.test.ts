import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { Releases } from '../src/releases';
import { settled } from './support/settle';

test('every step is taken in reverse order, also behind one that throws or hangs', async () => {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const releases = new Releases({ clock, logger });
  const taken: string[] = [];
  releases.add('first', () => void taken.push('first'));
  releases.add('second', async () => void taken.push('second'));
  releases.add('hangs', () => {
    taken.push('hangs');
    return new Promise<void>(() => undefined);
  });
  releases.add('rejects', () => Promise.reject(new Error('no')));
  releases.add('throws', () => {
    throw new Error('no');
  });
  const running = releases.run(800);
  await settled(1);
  expect(taken).toEqual(['hangs']);
  await clock.advance(800);
  await running;
  expect(taken).toEqual(['hangs', 'second', 'first']);
  expect(logger.matching('could not be released').map(({ fields }) => fields['part'])).toEqual(['throws', 'rejects']);
  expect(logger.matching('not released in time').map(({ fields }) => fields['part'])).toContain('hangs');
  expect(clock.timers).toBe(0);
});

test('a second run finds nothing to do', async () => {
  const releases = new Releases({ clock: new FakeClock(), logger: new MemoryLogger() });
  let count = 0;
  releases.add('once', () => void (count += 1));
  await releases.run(1);
  await releases.run(1);
  expect(count).toBe(1);
});

test('what was added as the last step comes after all others, whenever it was added', async () => {
  const releases = new Releases({ clock: new FakeClock(), logger: new MemoryLogger() });
  const taken: string[] = [];
  releases.add('first', () => void taken.push('first'));
  releases.addLast('last', () => void taken.push('last'));
  releases.add('second', () => void taken.push('second'));
  await releases.run(800);
  expect(taken).toEqual(['second', 'first', 'last']);
});

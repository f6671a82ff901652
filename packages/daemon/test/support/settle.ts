import type { FakeClock } from '@tartan/core/testing';

/**
 * Moves the clock in small steps until the condition holds, leaving real time for files and promises in between. Resolves with the
 * milliseconds of the fake clock that it took.
 */
export async function until(
  clock: FakeClock,
  condition: () => boolean,
  { limitMs = 30_000, stepMs = 20, what = 'the condition' } = {},
): Promise<number> {
  for (let passed = 0; passed <= limitMs; passed += stepMs) {
    for (let turn = 0; turn < 3; turn++) {
      if (condition()) return passed;
      await realTurn();
    }
    await clock.advance(stepMs);
  }
  throw new Error(`${what} did not come true within ${limitMs} ms`);
}

/** Lets everything happen that needs no time of the clock: a few real milliseconds for file operations. */
export async function settled(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await realTurn();
}

/** Waits for the condition while the clock stands still: what it takes must not hang on any timer. */
export async function withoutTime(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true while the clock stood still`);
    await realTurn();
  }
}

function realTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

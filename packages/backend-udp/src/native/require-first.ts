import { existsSync } from 'node:fs';

/** What the first addon that loads exports; else `failed` makes the error from the first problem (undefined: no file is there). */
export function requireFirst(places: readonly string[], failed: (problem: Error | undefined) => Error): unknown {
  const problems: Error[] = [];
  for (const place of places.filter((candidate) => existsSync(candidate))) {
    try {
      // eslint-disable-next-line @typescript-eslint/no-require-imports
      return require(place) as unknown;
    } catch (error) {
      // Built for another machine or C library: the next place may fit.
      problems.push(error as Error);
    }
  }
  throw failed(problems[0]);
}

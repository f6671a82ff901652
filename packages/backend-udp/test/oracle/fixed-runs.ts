/** So many times more cases than usual. */
const FACTOR = Number(process.env['TARTAN_PROPERTY_RUNS'] ?? 1);

/** For a test that uses fixedRuns(), on a busy machine. */
export const FIXED_RUNS_TIMEOUT_MS = 300_000 * FACTOR;

/** The same cases in every run; TARTAN_PROPERTY_RUNS=20 tries twenty times as many. A failure prints seed and path. */
export function fixedRuns(numRuns: number): { readonly seed: number; readonly numRuns: number } {
  return { seed: 20_251_121, numRuns: numRuns * FACTOR };
}

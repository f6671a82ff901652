import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/*
 * The plain C++ parts of the packet loop have tests of their own, in native/test: built here with AddressSanitizer,
 * UndefinedBehaviorSanitizer and ThreadSanitizer, which turn every finding into a failure.
 */

const native = join(__dirname, '..', '..', 'native');
const FUZZ_INPUTS = 30_000;

function run(program: string, ...args: string[]): string {
  return execFileSync(join(native, 'build', 'test', program), args, { encoding: 'utf8', stdio: 'pipe' });
}

describe('C++ of the packet loop', () => {
  // The compiler takes some 30 seconds of CPU the first time, and much longer beside other tests.
  beforeAll(() => {
    execFileSync('make', ['-j2', '-C', join(native, 'test')], { stdio: 'pipe' });
  }, 600_000);

  it('passes its unit tests without a finding of AddressSanitizer or UndefinedBehaviorSanitizer', () => {
    expect(run('unit', '--list').split('\n').length).toBeGreaterThan(20);
    run('unit');
  }, 120_000);

  it('swaps tables under readers without a finding of ThreadSanitizer', () => {
    run('threads');
  }, 120_000);

  it(`survives ${FUZZ_INPUTS} mutated inputs`, () => {
    expect(run('fuzz', String(FUZZ_INPUTS))).toBe(`${FUZZ_INPUTS} inputs\n`);
  }, 120_000);
});

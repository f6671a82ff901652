import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildCppTests, cppTestPath } from '../support/native/cpp-tests';

/*
 * The plain C++ parts of the packet loop have tests of their own, in native/test: built here with AddressSanitizer,
 * UndefinedBehaviorSanitizer and ThreadSanitizer, which turn every finding into a failure.
 */

const corpus = join(__dirname, '..', '..', 'native', 'test', 'corpus');
const FUZZ_INPUTS = 30_000;

function run(program: string, ...args: string[]): string {
  return execFileSync(cppTestPath(program), args, { encoding: 'utf8', stdio: 'pipe' });
}

describe('C++ of the packet loop', () => {
  beforeAll(() => buildCppTests(), 600_000);

  it('passes its unit tests without a finding of AddressSanitizer or UndefinedBehaviorSanitizer', () => {
    expect(run('unit', '--list').split('\n').length).toBeGreaterThan(20);
    run('unit');
  }, 120_000);

  it('swaps tables under readers without a finding of ThreadSanitizer', () => {
    run('threads');
  }, 120_000);

  it(`survives the seeds of the fuzzer and ${FUZZ_INPUTS} mutated inputs`, () => {
    const seeds = readdirSync(corpus).sort();
    expect(seeds.length).toBeGreaterThan(10);
    const said = run('fuzz', String(FUZZ_INPUTS), ...seeds.map((name) => join(corpus, name)));
    expect(said).toBe(`${FUZZ_INPUTS} inputs, ${seeds.length} seeds\n`);
  }, 120_000);
});

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const native = join(__dirname, '..', '..', '..', 'native');

/**
 * Builds programs of native/test, by default all of them. The compiler takes some 30 seconds of CPU the first time, and much longer beside
 * other tests; files that run at once wait for each other here.
 */
export function buildCppTests(...programs: readonly string[]): void {
  const build = join(native, 'build', 'test');
  mkdirSync(build, { recursive: true });
  const targets = programs.map((program) => `../build/test/${program}`);
  execFileSync('flock', [join(build, '.lock'), 'make', '-j2', '-C', join(native, 'test'), ...targets], {
    stdio: 'pipe',
  });
}

export function cppTestPath(program: string): string {
  return join(native, 'build', 'test', program);
}

import { spawnSync } from 'node:child_process';
import { dirname, join, relative } from 'node:path';

const MARK = 'TARTAN_TEST_OWN_NETNS';
const root = join(__dirname, '..', '..', '..', '..');

/** True in the jest that itPassesInOwnNamespace() started. */
export function inOwnNamespace(): boolean {
  return process.env[MARK] === '1';
}

/**
 * Declares one test that runs all tests of `file` in a network namespace which nothing else uses; `wrapper` is a program that
 * starts the rest of its arguments, inside.
 */
export function itPassesInOwnNamespace(file: string, wrapper: readonly string[] = []): void {
  it('passes in a namespace of its own', () => {
    const jest = join(dirname(require.resolve('jest/package.json')), 'bin', 'jest.js');
    const command = [process.execPath, jest, '--selectProjects', 'netns', '--runTestsByPath', file];
    const result = spawnSync('unshare', ['--net', '--mount', ...wrapper, ...command], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, [MARK]: '1' },
      timeout: 120_000,
    });
    if (result.status !== 0) throw new Error(`${relative(root, file)}:\n${result.stderr}`);
    expect(result.stderr).toMatch(/Tests: .* passed/);
  }, 130_000);
}

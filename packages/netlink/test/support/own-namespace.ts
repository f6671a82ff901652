import { spawnSync } from 'node:child_process';
import { dirname, join, relative } from 'node:path';

const MARK = 'TARTAN_TEST_OWN_NETNS';
const root = join(__dirname, '..', '..', '..', '..');

/** True in the jest that itPassesInOwnNamespace() started. */
export function inOwnNamespace(): boolean {
  return process.env[MARK] === '1';
}

/** Declares one test that runs all tests of `file` in a network namespace which nothing else uses. */
export function itPassesInOwnNamespace(file: string): void {
  it('passes in a namespace of its own', () => {
    const jest = join(dirname(require.resolve('jest/package.json')), 'bin', 'jest.js');
    const args = ['--net', '--mount', process.execPath, jest, '--selectProjects', 'netns', '--runTestsByPath', file];
    const result = spawnSync('unshare', args, {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, [MARK]: '1' },
      timeout: 120_000,
    });
    if (result.status !== 0) throw new Error(`${relative(root, file)}:\n${result.stderr}`);
    expect(result.stderr).toMatch(/Tests: .* passed/);
  }, 130_000);
}

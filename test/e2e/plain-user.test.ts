import { repositoryRoot, runCommand } from '@tartan/lab';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const NOBODY = ['runuser', '-u', 'nobody', '--'];
const JEST = join(repositoryRoot, 'node_modules', 'jest', 'bin', 'jest.js');

/** Real root has all user ids; root in a user namespace, which is what a plain user has here already, has only its own. */
function isRealRoot(): boolean {
  const [first = ''] = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n');
  return process.getuid?.() === 0 && Number(first.trim().split(/\s+/)[2]) > 65_534;
}

/** Why there is nothing to prove here, undefined when there is. */
async function whyNot(): Promise<string | undefined> {
  if (!isRealRoot()) return 'this is a plain user already: every other test of the ring proves it';
  const readable = await runCommand([...NOBODY, 'test', '-r', JEST], { allowFailure: true });
  return readable.exitCode === 0 ? undefined : 'other users cannot read this checkout';
}

test('the overlay runs for a user without any privilege, in namespaces of its own', async () => {
  const reason = await whyNot();
  if (reason !== undefined) {
    console.warn(`not run as another user: ${reason}`);
    return;
  }
  const namespace = join(repositoryRoot, 'scripts', 'in-namespace');
  const jest = [process.execPath, JEST, '--runInBand', 'test/e2e/overlay', '--selectProjects', 'e2e'];
  const { stderr } = await runCommand([...NOBODY, namespace, ...jest, '-t', 'leases in etcd'], {
    cwd: repositoryRoot,
    timeoutMs: 28_000,
  });
  expect(stderr).toMatch(/1 passed/);
});

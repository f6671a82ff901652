import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './programs';

/** A path for a file that outlives the lab: below out/ of the checkout, or, where that is not ours, below the outer /tmp. */
export function keptFile(...path: readonly [string, ...string[]]): string {
  const directories = path.slice(0, -1);
  const inCheckout = writableDirectory(join(repositoryRoot, 'out', ...directories));
  const outer = process.env['TARTAN_OUTER_TMPDIR'] ?? '/tmp';
  const directory = inCheckout ?? writableDirectory(join(outer, `tartan-${outerUserId()}`, ...directories));
  if (directory === undefined) throw new Error(`neither out/ of the checkout nor ${outer} can be written`);
  return join(directory, path.at(-1) as string);
}

function writableDirectory(directory: string): string | undefined {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return directory;
  } catch {
    return undefined;
  }
}

/** Inside a user namespace everybody is 0; the second column tells who that is outside (user_namespaces(7)). */
function outerUserId(): string {
  return readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)[1] ?? '0';
}

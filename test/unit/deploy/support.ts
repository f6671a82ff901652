import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The repository's deploy folder. */
export const deployFolder = join(__dirname, '..', '..', '..', 'deploy');

/** Where a program is found on PATH, undefined when it is not. */
export function programPath(name: string): string | undefined {
  const candidates = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs the test where the programs are there. Elsewhere it is skipped under a name that says why, and fails when CI=true. */
export function itNeeds(...programs: string[]): (name: string, test: jest.ProvidesCallback) => void {
  const missing = programs.filter((name) => programPath(name) === undefined);
  return (name, test) => {
    if (missing.length === 0) it(name, test);
    else if (process.env['CI'] === 'true') it(name, () => Promise.reject(new Error(`missing: ${missing.join(', ')}`)));
    else it.skip(`${name} (missing: ${missing.join(', ')})`, test);
  };
}

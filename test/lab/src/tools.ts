import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** True when PATH leads to a program of that name that may be run. */
export function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => isExecutable(join(directory, program)));
}

/** Those of the programs that are not installed, for a skip that names them. */
export function missingTools(programs: readonly string[]): string[] {
  return programs.filter((program) => !isInstalled(program));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

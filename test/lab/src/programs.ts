import { resolve } from 'node:path';

// The lab runs from src (jest) and from dist; both lie one level below the package.
const packageRoot = resolve(__dirname, '..');

/** A helper that the lab runs inside a namespace: plain JavaScript or shell, since nothing compiles it there, or C, see compileProgram. */
export function labProgram(
  name:
    | 'udp-stream.mjs'
    | 'tcp-copy.mjs'
    | 'tcp-forward.mjs'
    | 'enter-host'
    | 'http-get'
    | 'capture-packets'
    | `${string}.c`,
): string {
  return resolve(packageRoot, 'programs', name);
}

/** The checkout. */
export const repositoryRoot = resolve(packageRoot, '..', '..');

import { join } from 'node:path';

/*
 * The plugin is a static program (native/src): container runtimes start it for every pod, on hosts that need no Node. This module is
 * all that Node has to do with it: the image build, tests and benchmarks ask where it is.
 */

export type PluginVariant =
  /** For this machine. */
  | 'tartan'
  /** For 64-bit ARM, by Debian's cross compiler. */
  | 'tartan-arm64'
  /** With address and undefined-behaviour checks, for tests. */
  | 'tartan-sanitized';

/** Where `scripts/build-native.mjs` puts the program. It may not have been built. */
export function pluginProgram(variant: PluginVariant = 'tartan'): string {
  return join(__dirname, '..', 'native', 'build', variant);
}

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type PluginVariant, pluginProgram } from '../../src';

/** The program of that variant, built first when its sources changed since the last time. */
export function builtProgram(variant: PluginVariant): string {
  const script = join(__dirname, '..', '..', 'scripts', 'build-native.mjs');
  const options = variant === 'tartan-sanitized' ? ['--sanitize'] : [];
  execFileSync(process.execPath, [script, '--quiet', ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  return pluginProgram(variant);
}

/** How long a build may take on a busy machine. */
export const BUILD_PATIENCE_MS = 240_000;

// How every package of ours builds its native addon, in the checkout as well as in an installed package.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * Builds `<native>/build/Release/<name>.node` from `<native>/binding.gyp` and `<native>/src` when these, this Node's ABI or the
 * machine changed since the last time; otherwise returns at once. When it cannot be built, says why and sets the exit status 1.
 *
 * Arguments of the command line: `--force`, `--quiet` (no word when nothing is to do), `--verbose` (what the compiler says).
 *
 * @param {object} addon
 * @param {string} addon.package   whose it is, for the messages
 * @param {string} addon.native    folder of binding.gyp
 * @param {string} addon.name      `target_name` of binding.gyp
 * @param {string} addon.without   what is lost without it, behind "could not be built; "
 */
export function buildAddon({ package: owner, native, name, without }) {
  const file = join(native, 'build', 'Release', `${name}.node`);
  const stamp = join(native, 'build', '.source-hash');
  const say = (text) => process.stdout.write(`${owner}: ${text}\n`);

  const hash = sourceHash(native);
  const built = existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;
  if (built && !process.argv.includes('--force')) {
    if (!process.argv.includes('--quiet')) say(`${name} is up to date`);
    return;
  }
  say(`building ${name}, some twenty seconds`);
  const { status, stdout, stderr } = runNodeGyp(native);
  if (status === 0 && existsSync(file)) {
    writeFileSync(stamp, hash);
    say(`${name} is built`);
    return;
  }
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  say(`${name} could not be built (g++, make and python3 are needed); ${without}`);
  process.exitCode = 1;
}

function sourceHash(native) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} node-api ${process.versions.napi}`);
  const sources = readdirSync(join(native, 'src')).sort();
  for (const file of ['binding.gyp', ...sources.map((source) => join('src', source))]) {
    hash.update(`\0${file}\0`).update(readFileSync(join(native, file)));
  }
  return hash.digest('hex');
}

function runNodeGyp(native) {
  const nodeGyp = createRequire(join(native, 'binding.gyp')).resolve('node-gyp/bin/node-gyp.js');
  const headers = process.env.npm_config_nodedir === undefined ? ownHeaders() : [];
  return spawnSync(process.execPath, [nodeGyp, 'rebuild', '--release', ...headers], {
    cwd: native,
    encoding: 'utf8',
    stdio: process.argv.includes('--verbose') ? 'inherit' : 'pipe',
  });
}

/** Headers that were installed beside the running node save the download. */
function ownHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

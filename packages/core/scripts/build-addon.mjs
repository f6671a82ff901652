// How every package of ours builds its native addon, in the checkout as well as in an installed package.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Debian's compilers for other machines than this one. */
const CROSS_COMPILERS = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/**
 * Builds `<native>/build/Release/<name>.node` from `<native>/binding.gyp` and `<native>/src` when these, this Node's ABI or the
 * machine changed since the last time; otherwise returns at once. When it cannot be built, says why and sets the exit status 1.
 *
 * Arguments of the command line: `--force`, `--quiet` (no word when nothing is to do), `--verbose` (what the compiler says),
 * `--target x64|arm64` (for another machine, by Debian's cross compiler, in place of what was built for this one).
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

  const arch = targetArch();
  const hash = sourceHash(native, arch);
  const built = existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;
  if (built && !process.argv.includes('--force')) {
    if (!process.argv.includes('--quiet')) say(`${name} is up to date`);
    return;
  }
  say(`building ${name}, some twenty seconds`);
  const { status, stdout, stderr } = runNodeGyp(native, arch);
  if (status === 0 && existsSync(file)) {
    writeFileSync(stamp, hash);
    say(`${name} is built`);
    return;
  }
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  say(`${name} could not be built (g++, make and python3 are needed); ${without}`);
  process.exitCode = 1;
}

function targetArch() {
  const at = process.argv.indexOf('--target');
  const arch = at === -1 ? process.arch : process.argv[at + 1];
  if (arch === process.arch || Object.hasOwn(CROSS_COMPILERS, String(arch))) return arch;
  throw new Error(`--target: one of ${Object.keys(CROSS_COMPILERS).join(', ')}, not ${arch}`);
}

function sourceHash(native, arch) {
  const hash = createHash('sha256').update(`${process.platform} ${arch} node-api ${process.versions.napi}`);
  const sources = readdirSync(join(native, 'src')).sort();
  for (const file of ['binding.gyp', ...sources.map((source) => join('src', source))]) {
    hash.update(`\0${file}\0`).update(readFileSync(join(native, file)));
  }
  return hash.digest('hex');
}

function runNodeGyp(native, arch) {
  const nodeGyp = createRequire(join(native, 'binding.gyp')).resolve('node-gyp/bin/node-gyp.js');
  const headers = process.env.npm_config_nodedir === undefined ? ownHeaders() : [];
  const prefix = arch === process.arch ? undefined : CROSS_COMPILERS[arch];
  const compilers = prefix === undefined ? {} : { CC: `${prefix}-gcc`, CXX: `${prefix}-g++`, AR: `${prefix}-ar` };
  return spawnSync(process.execPath, [nodeGyp, 'rebuild', '--release', `--arch=${arch}`, ...headers], {
    cwd: native,
    env: { ...process.env, ...compilers },
    encoding: 'utf8',
    stdio: process.argv.includes('--verbose') ? 'inherit' : 'pipe',
  });
}

/** Headers that were installed beside the running node save the download. */
function ownHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

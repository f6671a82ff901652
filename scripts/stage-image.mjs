// Puts together what a container image holds, and nothing else: programs, compiled packages, native parts, production dependencies.
// The Dockerfile and the test of the Kubernetes manifest use the same tree. Needs a finished build (npm run build).
//
//   node scripts/stage-image.mjs FOLDER [ARCH]        (made anew; runs as FOLDER/bin/tartand)
//
// ARCH is x64 or arm64, this machine's unless given; for another one the native parts must have been built with `--target`.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [target, arch = process.arch] = process.argv.slice(2);
if (target === undefined || !['x64', 'arm64'].includes(arch)) {
  process.stderr.write('usage: node scripts/stage-image.mjs FOLDER [x64|arm64]\n');
  process.exit(2);
}
const out = resolve(target);

/** Folders of all packages that the daemon needs at run time, ours among them. */
function productionPackages() {
  const { stdout, stderr } = spawnSync(
    'npm',
    ['ls', '--omit=dev', '--all', '--parseable', '--loglevel=error', '--workspace', 'packages/daemon'],
    { cwd: root, encoding: 'utf8' },
  );
  const paths = stdout.split('\n').filter((path) => path.startsWith(join(root, 'node_modules')));
  // Its exit status also tells of what is there beyond need.
  if (paths.length === 0) throw new Error(`npm names no packages; was scripts/setup run here? ${stderr}`);
  return paths;
}

/** Source maps, type declarations and sources are of no use to a running program. */
const useless = /\.(?:map|ts|mts|cts|md|markdown|flow)$|\/(?:test|tests|__tests__|docs|example|examples|\.github)$/;

function copyDependency(path) {
  cpSync(path, join(out, relative(root, path)), {
    recursive: true,
    dereference: false,
    filter: (from) => !useless.test(from) && (basename(from) !== 'node_modules' || from === path),
  });
}

/** One of ours: what its program needs, at the same place as in a checkout, so that the launchers work unchanged. */
function copyOwn(link) {
  const folder = realpathSync(link);
  const place = join(out, relative(root, folder));
  const parts = ['package.json', 'LICENSE', 'launch.js', 'bin', 'dist', 'prebuilds', ...nativeParts(folder)];
  for (const part of parts.filter((name) => existsSync(join(folder, name)))) {
    cpSync(join(folder, part), join(place, part), { recursive: true, filter: (from) => !useless.test(from) });
  }
  const linkPlace = join(out, relative(root, link));
  mkdirSync(dirname(linkPlace), { recursive: true });
  cpSync(link, linkPlace, { verbatimSymlinks: true });
}

/** Addons as they were built here, and eBPF objects. */
function nativeParts(folder) {
  const places = ['native/build/Release', 'native/bpf/build/Release', 'native/bpf'];
  const present = places.filter((place) => existsSync(join(folder, place)));
  return present.flatMap((place) =>
    readdirSync(join(folder, place))
      .filter((name) => /\.(?:node|bpf\.o)$/.test(name))
      .map((name) => join(place, name)),
  );
}

/** e_machine of an ELF header, in the byte order of both: EM_X86_64 and EM_AARCH64 (elf.h). */
const MACHINES = { x64: 62, arm64: 183 };
const MACHINE_OFFSET = 18;

/** Every native part of ours is there, and for the machine asked for: a build that failed midway must not become an image. */
function checkMachine() {
  const addons = [
    'netlink/native/build/Release/tartan_netlink.node',
    'backend-udp/native/build/Release/tartan_udp.node',
    'backend-udp/native/bpf/build/Release/tartan_udp_bpf.node',
  ];
  for (const file of ['bin/tartan-cni', ...addons.map((addon) => join('packages', addon))]) {
    const machine = readFileSync(join(out, file)).readUInt16LE(MACHINE_OFFSET);
    if (machine !== MACHINES[arch]) throw new Error(`${file} is not for ${arch}; was it built with --target ${arch}?`);
  }
}

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, 'bin'), { recursive: true });
for (const path of productionPackages()) {
  if (path.includes(join('node_modules', '@tartan', ''))) copyOwn(path);
  else copyDependency(path);
}
for (const program of ['tartand', 'tartanctl']) {
  cpSync(join(root, 'bin', program), join(out, 'bin', program));
  chmodSync(join(out, 'bin', program), 0o755);
}
const plugin = arch === process.arch ? 'tartan' : `tartan-${arch}`;
cpSync(join(root, 'packages', 'cni', 'native', 'build', plugin), join(out, 'bin', 'tartan-cni'));
checkMachine();
cpSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
writeFileSync(join(out, 'package.json'), '{ "private": true }\n');

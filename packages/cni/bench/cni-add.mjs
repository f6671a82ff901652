// How much longer a pod waits for the CNI plugin than for the reference bridge plugin alone, which does the same work with a config
// rendered beforehand: ADD and DEL, in turns, in one fresh network namespace each run. Needs Debian's containernetworking-plugins and
// root or a user namespace. Prints JSON; times are milliseconds.
//
//   node packages/cni/bench/cni-add.mjs [--rounds 60]
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { pluginProgram } from '@tartan/cni';

const REFERENCE = '/usr/lib/cni';
const rounds = Number(process.argv[process.argv.indexOf('--rounds') + 1]) || 60;

if (process.env.TARTAN_IN_NAMESPACE !== '1') {
  const script = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const wrapper = fileURLToPath(new URL('../../../scripts/in-namespace', import.meta.url));
  // State on a real disk, as on a node: fsync is part of what is measured.
  const directory = mkdtempSync(join(tmpdir(), 'tartan-bench-cni-'));
  const result = spawnSync(wrapper, script, { stdio: 'inherit', env: { ...process.env, BENCH_DIRECTORY: directory } });
  rmSync(directory, { recursive: true, force: true });
  process.exitCode = result.status ?? 1;
} else {
  process.stdout.write(`${JSON.stringify(measureAll(process.env.BENCH_DIRECTORY), null, 2)}\n`);
}

function measureAll(directory) {
  const subnetFile = join(directory, 'subnet.env');
  writeFileSync(
    subnetFile,
    'FLANNEL_NETWORK=10.42.0.0/16\nFLANNEL_SUBNET=10.42.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  );
  const common = { name: 'cbr0', cniVersion: '1.0.0' };
  const ipam = { type: 'host-local', dataDir: join(directory, 'ipam') };
  const ours = {
    program: pluginProgram(),
    config: {
      ...common,
      type: 'tartan',
      subnetFile,
      dataDir: join(directory, 'flannel'),
      delegate: { isDefaultGateway: true },
      ipam,
    },
  };
  const bridge = {
    program: join(REFERENCE, 'bridge'),
    config: {
      ...common,
      type: 'bridge',
      ipMasq: false,
      mtu: 1450,
      isGateway: true,
      isDefaultGateway: true,
      ipam: { ...ipam, ranges: [[{ subnet: '10.42.3.0/24' }]], routes: [{ dst: '10.42.0.0/16' }] },
    },
  };
  const times = { tartan: { add: [], del: [] }, bridge: { add: [], del: [] }, start: { tartan: [], bridge: [] } };
  for (let round = -3; round < rounds; round++) {
    for (const [name, plugin] of Object.entries({ tartan: ours, bridge })) {
      const measured = onePod(plugin, `bench${round + 3}${name}`);
      if (round < 0) continue;
      times[name].add.push(measured.add);
      times[name].del.push(measured.del);
      times.start[name].push(measured.start);
    }
  }
  const add = { tartan: summary(times.tartan.add), bridgeAlone: summary(times.bridge.add) };
  const del = { tartan: summary(times.tartan.del), bridgeAlone: summary(times.bridge.del) };
  return {
    machine: { kernel: release(), cpu: cpus()[0]?.model, cpus: cpus().length, node: process.version },
    rounds,
    programBytes: { tartan: statSync(ours.program).size, bridge: statSync(bridge.program).size },
    add,
    del,
    start: { tartan: summary(times.start.tartan), bridgeAlone: summary(times.start.bridge) },
    addedMilliseconds: {
      add: round(add.tartan.median - add.bridgeAlone.median),
      del: round(del.tartan.median - del.bridgeAlone.median),
    },
  };
}

function onePod({ program, config }, pod) {
  execFileSync('ip', ['netns', 'add', pod]);
  const variables = { CNI_CONTAINERID: pod, CNI_NETNS: `/run/netns/${pod}`, CNI_IFNAME: 'eth0' };
  const add = timed(program, { ...variables, CNI_COMMAND: 'ADD' }, config);
  const del = timed(program, { ...variables, CNI_COMMAND: 'DEL' }, config);
  const start = timed(program, { CNI_COMMAND: 'VERSION' }, config);
  execFileSync('ip', ['netns', 'del', pod]);
  return { add, del, start };
}

function timed(program, variables, config) {
  const env = { PATH: process.env.PATH, CNI_PATH: REFERENCE, ...variables };
  const started = performance.now();
  const result = spawnSync(program, { env, input: JSON.stringify(config), encoding: 'utf8' });
  const took = performance.now() - started;
  if (result.status !== 0) throw new Error(`${program} ${variables.CNI_COMMAND}: ${result.stdout}${result.stderr}`);
  return took;
}

function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]);
  return { median: at(0.5), p90: at(0.9), min: at(0), max: round(sorted.at(-1)) };
}

function round(value) {
  return Math.round(value * 100) / 100;
}

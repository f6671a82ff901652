// What a restart of the daemon costs the pods of a host with the udp backend: two hosts, 1,000 packets/s from pod to pod and back, and a
// supervisor that starts the daemon again as soon as it is gone, after SIGTERM and after SIGKILL. As a reference in the same run the
// same without the saved packet loop: then packets wait for modules, datastore, lease and first reconcile. `nodeMs` is what
// Node itself takes to start and end, which no start can undercut.
//
// Needs the build (tsc -b), root or a user namespace, and etcd. Prints JSON; times are milliseconds, packets 64 bytes.
//
//   node packages/daemon/bench/udp-restart.mjs [--rounds 5]
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { eventually, Lab } from '@tartan/lab';

const ROUNDS = option('rounds', 5);
const TARGETS = { SIGTERM: { lost: 100 }, SIGKILL: { silenceMs: 300 } };
const root = fileURLToPath(new URL('../../..', import.meta.url));

// With it every start of Node reads all certificates that it knows, which takes longer than the rest of the start.
delete process.env.NODE_EXTRA_CA_CERTS;

if (process.env.TARTAN_IN_NAMESPACE !== '1') enterNamespace();
else process.stdout.write(`${JSON.stringify(await measureAll(), null, 2)}\n`);

function option(name, absent) {
  const place = process.argv.indexOf(`--${name}`);
  return place === -1 ? absent : Number(process.argv[place + 1]);
}

function enterNamespace() {
  const argv = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const result = spawnSync(join(root, 'scripts/in-namespace'), argv, { stdio: 'inherit' });
  process.exitCode = result.status ?? 1;
}

async function measureAll() {
  const lab = await Lab.create();
  try {
    const etcd = await lab.startEtcd();
    const config = { Network: '10.5.0.0/16', Backend: { Type: 'udp' } };
    await etcd.put('/coreos.com/network/config', JSON.stringify(config));
    const [one, two] = await lab.addHosts(2);
    const pidFile = join(one.directory, 'tartand.pid');
    const supervisor = 'while :; do "$0" "$@" & echo $! >"$1.tmp"; wait $!; done'.replace('$1.tmp', pidFile);
    const daemon = await one.startDaemon({ command: ['sh', '-c', supervisor, join(root, 'bin/tartand')] });
    const other = await two.startDaemon();
    for (const each of [daemon, other]) await each.waitUntilReady({ timeoutMs: 60_000 });
    const [from, to] = [await one.addPod(), await two.addPod()];
    await eventually(() => from.reaches(to.ipv4), { what: 'the pods reach each other' });
    const host = { lab, one, daemon, pidFile, from, to };
    const results = [];
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      for (const saved of [true, false]) results.push(await series(host, signal, saved));
    }
    return {
      machine: { kernel: release(), cpu: cpus()[0]?.model, cpus: cpus().length, node: process.version },
      ...{ rounds: ROUNDS, packetsPerSecond: 1_000, targets: TARGETS, nodeMs: nodeMs(), results },
    };
  } finally {
    await lab.destroy();
  }
}

async function series(host, signal, saved) {
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await restart(host, signal, saved));
  const of = (name) => median(rounds.map((each) => each[name]));
  return {
    ...{ signal, savedLoop: saved, load: loadavg().map((each) => Math.round(each * 10) / 10) },
    ...{
      lost: of('lost'),
      lostBothWays: of('lostBothWays'),
      silenceMs: of('silenceMs'),
      readyMs: of('readyMs'),
      rounds,
    },
  };
}

async function restart({ lab, one, daemon, pidFile, from, to }, signal, saved) {
  const state = join(one.directory, 'var', 'lib', 'tartan');
  const files = () => readdirSync(state).filter((name) => /^resume-[0-9a-f]+$/.test(name));
  await eventually(() => Promise.resolve(files().length > 0), { what: 'the packet loop is saved' });
  const stream = await lab.stream({ from, to, echo: true });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const pid = readFileSync(pidFile, 'utf8').trim();
  const startedAt = performance.now();
  await one.run(['kill', `-${signal}`, pid]);
  if (!saved) await withoutFile(state, files, pidFile, pid);
  const changed = () => Promise.resolve(readFileSync(pidFile, 'utf8').trim() !== pid);
  await eventually(changed, { what: 'the daemon is started again', timeoutMs: 30_000 });
  await daemon.waitUntilReady({ timeoutMs: 60_000 });
  const readyMs = Math.round(performance.now() - startedAt);
  await eventually(() => from.reaches(to.ipv4), { what: 'the pods reach each other' });
  const { lost, back, longestGapMs } = await stream.stop();
  return { lost, lostBothWays: back.lost, silenceMs: Math.round(Math.max(longestGapMs, back.longestGapMs)), readyMs };
}

/** The file is written once more at an orderly end, so it is removed until the next process runs. */
async function withoutFile(state, files, pidFile, pid) {
  while (readFileSync(pidFile, 'utf8').trim() === pid) {
    for (const name of files()) rmSync(join(state, name), { force: true });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  for (const name of files()) rmSync(join(state, name), { force: true });
}

function nodeMs() {
  const times = Array.from({ length: 9 }, () => {
    const startedAt = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    return performance.now() - startedAt;
  });
  return Math.round(median(times));
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

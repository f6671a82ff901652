import { writeFileSync } from 'node:fs';
import { keptFile } from '../kept-file';
import type { Lab } from '../lab';
import { isInstalled } from '../tools';
import { demoBackends } from './backends';
import { killDaemon, measure, pingAll } from './checks';
import { addPods, describeHosts, makeHosts, NETWORK, startDaemons, UNDERLAY, writeNetworkConfig } from './cluster';
import { chooseDatastore, openDatastore, type DemoDatastore } from './datastore';
import type { DemoOptions } from './options';
import { drawTopologySvg } from './picture/topology-svg';
import { gigabits } from './picture/units';
import type { Progress } from './progress';
import type { CrashReport, DemoReport, PingCell, ThroughputReport } from './report';

export interface DemoRun {
  readonly lab: Lab;
  readonly report: DemoReport;
}

interface Findings {
  readonly pings: PingCell[];
  readonly throughput: ThroughputReport | null;
  readonly crash: CrashReport | null;
  readonly skipped: string[];
}

/** The whole demo. `onLab` hands the cluster out as soon as it exists, so that a failure can be explained from its state. */
export async function runDemo(options: DemoOptions, progress: Progress, onLab: (lab: Lab) => void): Promise<DemoRun> {
  const start = performance.now();
  const kind = chooseDatastore(options.datastore);
  const lab = await progress.step(`${options.hosts} hosts on a switch, each a network namespace`, () =>
    makeHosts(options.hosts),
  );
  onLab(lab);
  const datastore = await startDatastore(kind, options, lab, progress);
  const names = `host1 … host${options.hosts}`;
  await progress.step(`network config ${NETWORK}, backend ${options.backend}`, () =>
    writeNetworkConfig(datastore, options.backend),
  );
  await progress.step(`tartand on ${names}: lease, routes, subnet.env, ready`, () => startDaemons(lab, datastore));
  await progress.step('a pod on every host, on a bridge as subnet.env says', () => addPods(lab));
  const findings = await examine(lab, progress, options.backend);
  const report = await makeReport({ options, lab, datastore, findings, progress, start });
  writeFileSync(report.topologySvg, drawTopologySvg(report));
  return { lab, report };
}

function startDatastore(
  kind: 'etcd' | 'file',
  options: DemoOptions,
  lab: Lab,
  progress: Progress,
): Promise<DemoDatastore> {
  if (kind === 'file' && options.datastore === 'auto') {
    progress.skip('etcd is not installed: leases are kept in a directory instead (--datastore file)');
  }
  const label = kind === 'etcd' ? 'etcd on the switch' : 'a lease directory that all hosts share';
  return progress.step(
    label,
    () => openDatastore(lab, kind),
    ({ report }) => label.replace(/^etcd/, report.title),
  );
}

async function examine(lab: Lab, progress: Progress, backend: string): Promise<Findings> {
  const skipped: string[] = [];
  const pings = await progress.step(
    'pings between the pods of all hosts',
    () => pingAll(lab),
    (cells) => `pings between the pods of all hosts: ${answered(cells)} of ${cells.length} pairs answer`,
  );
  let throughput: ThroughputReport | null = null;
  if (isInstalled('iperf3')) {
    throughput = await progress.step('iperf3 between pods', () => measure(lab), describeThroughput);
  } else {
    skipped.push('throughput: iperf3 is not installed (Debian: apt-get install iperf3)');
    progress.skip(`SKIPPED ${skipped.at(-1) ?? ''}`);
  }
  const hitless = demoBackends[backend]?.hitless ?? true;
  const crash = await progress.step(
    'SIGKILL to a tartand while packets flow',
    () => killDaemon(lab, hitless),
    describeCrash,
  );
  return { pings, throughput, crash, skipped };
}

interface ReportParts {
  readonly options: DemoOptions;
  readonly lab: Lab;
  readonly datastore: DemoDatastore;
  readonly findings: Findings;
  readonly progress: Progress;
  readonly start: number;
}

async function makeReport(parts: ReportParts): Promise<DemoReport> {
  const { options, lab, datastore, findings, progress, start } = parts;
  const [hosts, leases] = await Promise.all([describeHosts(lab), datastore.leases()]);
  const facts = { ...findings, hosts, leases };
  // Where a skip would go unnoticed it counts as a failure.
  const problems = [...findProblems(facts), ...(process.env['CI'] === 'true' ? findings.skipped : [])];
  return {
    ok: problems.length === 0,
    problems,
    backend: options.backend,
    way: demoBackends[options.backend]?.way ?? '',
    network: NETWORK,
    underlay: UNDERLAY,
    datastore: datastore.report,
    ...facts,
    steps: progress.steps,
    seconds: Math.round((performance.now() - start) / 10) / 100,
    topologySvg: keptFile('demo-topology.svg'),
  };
}

/** What did not work although every step went through. */
export function findProblems(facts: Pick<DemoReport, 'pings' | 'throughput' | 'crash' | 'hosts' | 'leases'>): string[] {
  const { pings, throughput, crash, hosts, leases } = facts;
  const problems = pings
    .filter(({ sent, received }) => received < sent)
    .map(({ from, to, sent, received }) => `ping from ${from} to ${to}: ${received} of ${sent} answered`);
  for (const { name, subnet, routes } of hosts) {
    if (!leases.some((lease) => lease.subnet === subnet))
      problems.push(`${name}: no lease of ${subnet} in the datastore`);
    if (routes.length !== hosts.length - 1)
      problems.push(`${name}: ${routes.length} routes to ${hosts.length - 1} peers`);
  }
  if (leases.length !== hosts.length) problems.push(`${leases.length} leases for ${hosts.length} hosts`);
  if (throughput?.bitsPerSecond === 0) problems.push('iperf3 moved no data');
  if (crash && crash.lost > 0 && (crash.hitless || crash.lost === crash.sent))
    problems.push(`${crash.lost} of ${crash.sent} packets lost while tartand was killed`);
  return problems;
}

function answered(cells: readonly PingCell[]): number {
  return cells.filter(({ sent, received }) => sent === received).length;
}

function describeThroughput({ from, to, bitsPerSecond }: ThroughputReport): string {
  return `iperf3 from the pod on ${from} to the pod on ${to}: ${gigabits(bitsPerSecond)}`;
}

function describeCrash({ host, sent, lost }: CrashReport): string {
  return `SIGKILL to tartand on ${host} while packets flow: sent ${sent}, lost ${lost}`;
}

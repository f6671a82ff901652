import type { DemoReport, PingCell } from './report';
import type { Ink } from './picture/ink';
import { drawTable } from './picture/table';
import { drawTopology } from './picture/topology-text';
import { gigabits } from './picture/units';

const INDENT = 2;

/** The result for people, on a terminal `columns` wide, line by line. */
export function printReport(report: DemoReport, ink: Ink, columns: number): string[] {
  return [
    ...section('Topology', ink, drawTopology(report, ink, columns - INDENT)),
    ...section(
      `Who leased what, as ${report.datastore.kind === 'etcd' ? 'etcd' : 'the directory'} holds it`,
      ink,
      leases(report, ink),
    ),
    ...section('Routes that tartand programmed (ip route show proto 158)', ink, routes(report, ink)),
    ...section('Pings from pod to pod, average of those answered', ink, pings(report, ink)),
    ...section('Throughput and a crash', ink, figures(report, ink)),
    ...verdict(report, ink),
  ];
}

function section(title: string, ink: Ink, lines: readonly string[]): string[] {
  return ['', ink.bold(title), '', ...lines.map((line) => (line === '' ? '' : ' '.repeat(INDENT) + line))];
}

function leases(report: DemoReport, ink: Ink): string[] {
  const rows = [...report.leases]
    .sort((a, b) => a.node.localeCompare(b.node))
    .map((lease) => [
      paintHost(report, lease.node, ink),
      lease.subnet,
      lease.publicIp,
      lease.backend,
      lease.secondsLeft === null ? 'for ever' : `${(lease.secondsLeft / 3600).toFixed(1)} h`,
      ink.dim(lease.key),
    ]);
  return drawTable(ink, ['node', 'subnet', 'public IP', 'backend', 'expires in', 'key'], rows);
}

function routes(report: DemoReport, ink: Ink): string[] {
  return report.hosts.flatMap(({ name, routes: lines }) =>
    (lines.length > 0 ? lines : ['none']).map(
      (line, i) => `${i === 0 ? paintHost(report, name, ink) : ' '.repeat(name.length)}  ${line}`,
    ),
  );
}

function pings(report: DemoReport, ink: Ink): string[] {
  const names = report.hosts.map(({ name }) => name);
  const rows = names.map((from) => [
    paintHost(report, from, ink),
    ...names.map((to) => {
      const cell = report.pings.find((ping) => ping.from === from && ping.to === to);
      return cell ? pingText(cell, ink) : ink.dim('·');
    }),
  ]);
  return drawTable(ink, ['from \\ to', ...names], rows);
}

function pingText({ sent, received, averageMs }: PingCell, ink: Ink): string {
  if (received === 0) return ink.bad('no answer');
  const time = averageMs === null ? '' : `${averageMs.toFixed(2)} ms`;
  return received < sent ? ink.bad(`${received}/${sent} ${time}`) : ink.good(time);
}

function figures({ throughput, crash, skipped }: DemoReport, ink: Ink): string[] {
  const lines: string[] = [];
  if (throughput) {
    const { from, to, bitsPerSecond, retransmits } = throughput;
    lines.push(
      `iperf3, one TCP stream from the pod on ${from} to the pod on ${to}: ${ink.bold(gigabits(bitsPerSecond))}${
        retransmits === null ? '' : `, retransmits: ${retransmits}`
      }`,
    );
  }
  if (crash) {
    const { host, sent, lost, packetsPerSecond, readyAgainMs } = crash;
    const count = `sent ${sent}, lost ${lost}`;
    lines.push(
      `tartand on ${host} killed with SIGKILL under ${packetsPerSecond} packets/s there and back, ready again ${readyAgainMs} ms after`,
    );
    lines.push(`its restart: ${lost === 0 ? ink.good(count) : ink.bad(count)}`);
  }
  return [...lines, ...skipped.map((line) => ink.warn(`SKIPPED ${line}`))];
}

function verdict(report: DemoReport, ink: Ink): string[] {
  const lines = report.problems.map((problem) => `${ink.bad('✗')} ${problem}`);
  const success = report.skipped.length === 0 ? 'All of it worked.' : 'All of it worked, except for what was skipped.';
  const result = report.ok ? ink.good(success) : ink.bad('Not all of it worked.');
  return ['', ...lines, `${ink.bold(result)} ${report.seconds.toFixed(1)} s. Picture: ${report.topologySvg}`];
}

function paintHost(report: DemoReport, name: string, ink: Ink): string {
  const index = report.hosts.findIndex((host) => host.name === name);
  return index < 0 ? name : ink.host(name, index);
}

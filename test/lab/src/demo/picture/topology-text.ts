import type { DemoReport, HostReport } from '../report';
import { padRight, widthOf, type Ink } from './ink';

/** Three of them fit into 80 columns. */
const CARD_WIDTH = 25;
const GAP = 1;

/**
 * The cluster in box-drawing characters: the switch as a bar, hosts hanging from it, each with its pod. More hosts than fit into a
 * row hang from a second bar, which is the same switch.
 */
export function drawTopology(report: DemoReport, ink: Ink, columns: number): string[] {
  const lines: string[] = [];
  const perRow = cardsPerRow(report.hosts.length, columns);
  for (let first = 0; first < report.hosts.length; first += perRow) {
    const row = report.hosts.slice(first, first + perRow);
    const cards = row.map((host, i) => drawHost(host, first + i, ink));
    if (first > 0) lines.push('');
    lines.push(...drawSwitch(report, row.length, first > 0, ink), ...sideBySide(cards));
  }
  return lines;
}

/** As many as fit, and about as many in every row. */
function cardsPerRow(count: number, columns: number): number {
  const fitting = Math.max(1, Math.floor((columns + GAP) / (CARD_WIDTH + GAP)));
  return Math.ceil(count / Math.ceil(count / fitting));
}

function drawSwitch(report: DemoReport, cards: number, again: boolean, ink: Ink): string[] {
  const width = cards * CARD_WIDTH + (cards - 1) * GAP;
  const left = `${ink.bold('switch')} ${report.underlay}`;
  const store = report.datastore.kind === 'etcd' ? `${report.datastore.title} ${report.datastore.where}` : '';
  const right = again ? ink.dim('(the same)') : store;
  const plugs = Array.from({ length: cards }, (_, i) => i * (CARD_WIDTH + GAP) + Math.floor(CARD_WIDTH / 2));
  const bottom = Array.from(`╚${'═'.repeat(width - 2)}╝`)
    .map((line, x) => (plugs.includes(x) ? '╤' : line))
    .join('');
  const blank = ' '.repeat(Math.max(1, width - 4 - widthOf(left) - widthOf(right)));
  const wires = Array.from(' '.repeat(width))
    .map((space, x) => (plugs.includes(x) ? '│' : space))
    .join('');
  const text =
    widthOf(left) + widthOf(right) + 5 > width ? [left, right].filter((part) => part !== '') : [left + blank + right];
  return [
    `╔${'═'.repeat(width - 2)}╗`,
    ...text.map((part) => `║ ${padRight(part, width - 4)} ║`),
    bottom,
    wires.trimEnd(),
  ];
}

function drawHost(host: HostReport, index: number, ink: Ink): string[] {
  const paint = (text: string): string => ink.host(text, index);
  const inner = CARD_WIDTH - 4;
  const row = (label: string, value: string): string =>
    `${paint('│')} ${ink.dim(label)}${value.padStart(inner - label.length)} ${paint('│')}`;
  const plug = Math.floor(CARD_WIDTH / 2);
  const edge = (left: string, joint: string, right: string, title = ''): string => {
    const line = Array.from(`${left}${'─'.repeat(CARD_WIDTH - 2)}${right}`);
    line[plug] = joint;
    line.splice(2, title.length, ...title.split(''));
    return paint(line.join(''));
  };
  return [
    edge('┌', '┴', '┐', ` ${host.name} `),
    row('eth0', host.address),
    ...(host.tunnel ? [row(host.tunnel.ifname, host.tunnel.address)] : []),
    row('lease', host.subnet),
    row('cni0', host.gateway),
    edge('└', '┬', '┘'),
    edge('╭', '┴', '╮', ` pod `),
    row('eth0', host.pod.address),
    row('mtu', String(host.mtuBytes)),
    edge('╰', '─', '╯'),
  ];
}

function sideBySide(cards: readonly (readonly string[])[]): string[] {
  const height = Math.max(...cards.map((card) => card.length));
  return Array.from({ length: height }, (_, y) => cards.map((card) => card[y] ?? '').join(' '.repeat(GAP)));
}

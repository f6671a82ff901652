import type { DemoReport, HostReport } from '../report';
import { padRight, widthOf, type Ink } from './ink';

const CARD_WIDTH = 27;
const GAP = 2;
/** Three cards fit into 85 columns. */
const CARDS_PER_ROW = 3;

/**
 * The cluster in box-drawing characters: the switch as a bar, hosts hanging from it, each with its pod. More hosts than fit into a
 * row hang from a second bar, which is the same switch.
 */
export function drawTopology(report: DemoReport, ink: Ink): string[] {
  const lines: string[] = [];
  for (let first = 0; first < report.hosts.length; first += CARDS_PER_ROW) {
    const row = report.hosts.slice(first, first + CARDS_PER_ROW);
    const cards = row.map((host, i) => drawHost(host, first + i, ink));
    if (first > 0) lines.push('');
    lines.push(...drawSwitch(report, row.length, first > 0, ink), ...sideBySide(cards));
  }
  return lines;
}

function drawSwitch(report: DemoReport, cards: number, again: boolean, ink: Ink): string[] {
  const width = cards * CARD_WIDTH + (cards - 1) * GAP;
  const left = `${ink.bold('switch')} ${report.underlay}`;
  const store = report.datastore.kind === 'etcd' ? `${report.datastore.title} ${report.datastore.where}` : '';
  const right = again ? ink.dim('(the same)') : store;
  const plugs = Array.from({ length: cards }, (_, i) => i * (CARD_WIDTH + GAP) + Math.floor(CARD_WIDTH / 2));
  const bottom = [...`╚${'═'.repeat(width - 2)}╝`].map((line, x) => (plugs.includes(x) ? '╤' : line)).join('');
  const blank = ' '.repeat(Math.max(1, width - 4 - widthOf(left) - widthOf(right)));
  const wires = [...' '.repeat(width)].map((space, x) => (plugs.includes(x) ? '│' : space)).join('');
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
    `${paint('│')} ${padRight(`${ink.dim(label.padEnd(8))}${value}`, inner)} ${paint('│')}`;
  const plug = Math.floor(CARD_WIDTH / 2);
  const edge = (left: string, joint: string, right: string, title = ''): string => {
    const line = [...`${left}${'─'.repeat(CARD_WIDTH - 2)}${right}`];
    line[plug] = joint;
    line.splice(2, title.length, ...title);
    return paint(line.join(''));
  };
  return [
    edge('┌', '┴', '┐', ` ${host.name} `),
    row('eth0', host.address),
    row('tartand', host.subnet),
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

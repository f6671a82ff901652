import type { DemoReport, HostReport } from '../report';
import { rect } from './svg-elements';

export const COLOURS = [
  '#2563eb',
  '#d9590b',
  '#0b8457',
  '#9b4dca',
  '#dc3f4f',
  '#0e93a5',
  '#b97a06',
  '#6d4fd0',
  '#4f7f4f',
];
export const INK = {
  dark: '#1f2937',
  middle: '#4b5563',
  light: '#8b95a5',
  line: '#d5dae3',
  paper: '#fbfaf7',
  good: '#0b8457',
  bad: '#dc2626',
};

export const MARGIN = 48;
export const CARD = { width: 248, gap: 40, header: 40, row: 26, radius: 14 };
export const SWITCH = { y: 132, height: 60 };
export const CARDS_Y = 262;
export const POD = { height: 54, drop: 34 };
export const TILE_HEIGHT = 76;
/** Room for three figures side by side. */
export const MIN_WIDTH = 3 * CARD.width + 2 * CARD.gap + 2 * MARGIN;

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Middle of each host's column. */
  readonly columns: readonly number[];
  readonly cardHeight: number;
  readonly podY: number;
  readonly threadsY: number;
  readonly tilesY: number;
}

export function layOut(report: DemoReport): Layout {
  const count = report.hosts.length;
  const inner = count * CARD.width + (count - 1) * CARD.gap;
  const width = Math.max(MIN_WIDTH, inner + 2 * MARGIN);
  const left = (width - inner) / 2;
  const cardHeight = CARD.header + CARD.row * Math.max(...report.hosts.map((host) => cardRows(host).length)) + 22;
  const podY = CARDS_Y + cardHeight + POD.drop;
  const threadsY = podY + POD.height;
  const tilesY = threadsY + threadDepth(count - 1) + 56;
  const columns = report.hosts.map((_, i) => left + i * (CARD.width + CARD.gap) + CARD.width / 2);
  return { width, height: tilesY + TILE_HEIGHT + MARGIN, columns, cardHeight, podY, threadsY, tilesY };
}

/** How far below the pods the thread between columns so far apart hangs. */
export function threadDepth(distance: number): number {
  return 64 * distance - 14;
}

export function colour(index: number): string {
  return COLOURS[index % COLOURS.length] as string;
}

export function cardRows(host: HostReport): [label: string, value: string][] {
  return [
    ['eth0', host.address],
    ...(host.tunnel ? [[host.tunnel.ifname, host.tunnel.address] as [string, string]] : []),
    ['lease', host.subnet],
    ['routes', `${host.routes.length} to peers`],
    ['cni0', host.gateway],
  ];
}

/** Soft, without filters: not every viewer has them. */
export function shadow(x: number, y: number, width: number, height: number, radius: number): string {
  return [5, 3, 1]
    .map((far) =>
      rect(x - far / 2, y + far, width + far, height + 1, { rx: radius, fill: '#1f2937', 'fill-opacity': '0.05' }),
    )
    .join('');
}

export function pairs(count: number): [a: number, b: number][] {
  return Array.from({ length: count }, (_, a) =>
    Array.from({ length: count - a - 1 }, (_unused, i) => [a, a + i + 1] as [number, number]),
  ).flat();
}

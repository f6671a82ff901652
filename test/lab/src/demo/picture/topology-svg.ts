import type { DemoReport } from '../report';
import { element, path, rect, short, text } from './svg-elements';
import { drawCables, drawCard, drawPod } from './svg-hosts';
import { CARD, colour, INK, layOut, MARGIN, pairs, shadow, SWITCH, TILE_HEIGHT, type Layout } from './svg-layout';
import { drawThreads } from './svg-threads';
import { gigabits } from './units';

/*
 * The cluster as a picture: the switch on top, hosts hanging from it by cables, a pod below each host, and below the pods one
 * thread per pair of pods that reach each other, running from the colour of one host into that of the other.
 */

/** A whole SVG document. The same report always gives the same text. */
export function drawTopologySvg(report: DemoReport): string {
  const layout = layOut(report);
  const { width, height } = layout;
  const content = [
    definitions(report, layout),
    rect(0, 0, width, height, { fill: INK.paper }),
    ...drawHeader(report, width),
    ...drawThreads(report, layout),
    ...drawCables(report, layout),
    ...drawSwitch(report, layout),
    ...report.hosts.flatMap((host, i) => [...drawCard(report, host, i, layout), ...drawPod(host, i, layout)]),
    ...drawTiles(report, layout),
  ];
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${short(width)} ${short(height)}`,
    width,
    height,
    role: 'img',
  };
  const title = `Tartan: ${report.hosts.length} hosts, backend ${report.backend}`;
  return `${element('svg', attributes, element('title', {}, title), '\n', content.join('\n'), '\n')}\n`;
}

function definitions(report: DemoReport, layout: Layout): string {
  const gradients = pairs(report.hosts.length).map(([a, b]) =>
    element(
      'linearGradient',
      {
        id: `thread-${a}-${b}`,
        gradientUnits: 'userSpaceOnUse',
        x1: layout.columns[a],
        x2: layout.columns[b],
        y1: 0,
        y2: 0,
      },
      element('stop', { offset: '0.15', 'stop-color': colour(a) }),
      element('stop', { offset: '0.85', 'stop-color': colour(b) }),
    ),
  );
  return element('defs', {}, plaid(), ...gradients);
}

/** The cloth that gave the name: stripes in two directions, each see-through. */
function plaid(): string {
  const stripes: [at: number, width: number, colour: string][] = [
    [0, 14, '#1d4ed8'],
    [20, 4, '#f59e0b'],
    [30, 10, '#0b8457'],
    [46, 3, '#dc2626'],
  ];
  const bands = stripes.flatMap(([at, width, fill]) => [
    rect(at, 0, width, 56, { fill, opacity: '0.45' }),
    rect(0, at, 56, width, { fill, opacity: '0.45' }),
  ]);
  const size = { width: 56, height: 56, patternUnits: 'userSpaceOnUse' };
  return element('pattern', { id: 'plaid', ...size }, rect(0, 0, 56, 56, { fill: '#16324f' }), ...bands);
}

function drawHeader(report: DemoReport, width: number): string[] {
  const facts = [`${report.hosts.length} hosts`, `${report.backend}: ${report.way}`, `pods in ${report.network}`];
  return [
    rect(0, 0, width, 14, { fill: 'url(#plaid)' }),
    text(MARGIN, 68, 'Tartan', { size: 34, weight: 700 }),
    text(MARGIN, 98, facts.join('  ·  '), { size: 16, fill: INK.middle }),
  ];
}

function drawSwitch(report: DemoReport, { width, columns }: Layout): string[] {
  const left = Math.min(columns[0] as number, width / 2) - CARD.width / 2;
  const right = width - left;
  const { y, height } = SWITCH;
  const { kind, title, where } = report.datastore;
  const middle = y + height / 2;
  const labelX = left + 32 + report.hosts.length * 17;
  const store = kind === 'etcd' ? `${title}  ${where.replace(/^https?:\/\//, '')}` : title;
  return [
    shadow(left, y, right - left, height, 12),
    rect(left, y, right - left, height, { rx: 12, fill: '#263445' }),
    ...report.hosts.map((_, i) => rect(left + 20 + i * 17, middle - 6, 12, 12, { rx: 2, fill: '#7ddba3' })),
    text(labelX, middle - 4, 'switch', { size: 16, weight: 600, fill: '#ffffff' }),
    text(labelX, middle + 17, report.underlay, { size: 14, fill: '#b8c4d3', mono: true }),
    cylinder(right - 38, middle),
    text(right - 62, middle - 4, kind === 'etcd' ? 'leases in etcd' : 'leases in files', {
      size: 14,
      fill: '#ffffff',
      anchor: 'end',
      weight: 600,
    }),
    text(right - 62, middle + 16, store, { size: 13, fill: '#b8c4d3', anchor: 'end', mono: true }),
  ];
}

/** The usual sign for a store of data. */
function cylinder(x: number, y: number): string {
  const body = `M${short(x - 13)},${short(y - 12)} v24 a13,5 0 0 0 26,0 v-24`;
  const lid = element('ellipse', { cx: x, cy: y - 12, rx: 13, ry: 5, fill: '#9fd0ff' });
  const belt = path(`M${short(x - 13)},${short(y)} a13,5 0 0 0 26,0`, { stroke: '#263445', 'stroke-width': '1.5' });
  return path(body, { fill: '#5aa9f0' }) + belt + lid;
}

function drawTiles(report: DemoReport, { width, tilesY }: Layout): string[] {
  const tiles = figures(report);
  const gap = 28;
  const tileWidth = Math.min(360, (width - 2 * MARGIN - gap * (tiles.length - 1)) / tiles.length);
  const left = (width - tiles.length * tileWidth - (tiles.length - 1) * gap) / 2;
  return tiles.flatMap(({ figure, caption, good }, i) => {
    const x = left + i * (tileWidth + gap);
    return [
      rect(x, tilesY, tileWidth, TILE_HEIGHT, { rx: 12, fill: '#ffffff', stroke: INK.line }),
      rect(x, tilesY + 14, 4, TILE_HEIGHT - 28, { rx: 2, fill: good ? INK.good : INK.bad }),
      text(x + 22, tilesY + 35, figure, { size: 22, weight: 700, fill: good ? INK.dark : INK.bad }),
      text(x + 22, tilesY + 58, caption, { size: 13, fill: INK.middle }),
    ];
  });
}

interface Figure {
  readonly figure: string;
  readonly caption: string;
  readonly good: boolean;
}

function figures({ pings, throughput, crash }: DemoReport): Figure[] {
  const answered = pings.filter(({ sent, received }) => sent === received).length;
  const list: Figure[] = [
    {
      figure: `${answered} of ${pings.length}`,
      caption: 'pairs of pods reach each other',
      good: answered === pings.length,
    },
  ];
  if (throughput) {
    const { from, to, bitsPerSecond } = throughput;
    list.push({
      figure: gigabits(bitsPerSecond),
      caption: `iperf3, TCP, pod on ${from} to ${to}`,
      good: bitsPerSecond > 0,
    });
  }
  if (crash) {
    const { sent, lost, host } = crash;
    list.push({
      figure: `sent ${sent}, lost ${lost}`,
      caption: `while tartand on ${host} was killed`,
      good: lost === 0,
    });
  }
  return list;
}

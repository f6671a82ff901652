import type { DemoReport, HostReport } from '../report';
import { path, rect, short, text } from './svg-elements';
import { CARD, cardRows, CARDS_Y, colour, INK, POD, shadow, SWITCH, type Layout } from './svg-layout';

export function drawCables(report: DemoReport, layout: Layout): string[] {
  return report.hosts.flatMap((_, i) => {
    const x = layout.columns[i] as number;
    const top = SWITCH.y + SWITCH.height;
    const below = CARDS_Y + layout.cardHeight;
    return [
      path(`M${short(x)},${short(top)} V${CARDS_Y}`, { stroke: '#64748b', 'stroke-width': 4 }),
      rect(x - 8, top - 3, 16, 12, { rx: 2, fill: '#64748b' }),
      rect(x - 8, CARDS_Y - 12, 16, 14, { rx: 2, fill: '#64748b' }),
      path(`M${short(x)},${short(below)} V${short(layout.podY)}`, {
        stroke: colour(i),
        'stroke-width': 3,
        'stroke-dasharray': '1 6',
        'stroke-linecap': 'round',
      }),
    ];
  });
}

export function drawCard(report: DemoReport, host: HostReport, index: number, layout: Layout): string[] {
  const { width, header, radius, row } = CARD;
  const x = (layout.columns[index] as number) - width / 2;
  const y = CARDS_Y;
  const r = radius;
  const band = `M${short(x)},${y + header} v${r - header} a${r},${r} 0 0 1 ${r},${-r} h${width - 2 * r} a${r},${r} 0 0 1 ${r},${r} v${header - r} z`;
  const rows = cardRows(host).flatMap(([label, value], i) => {
    const base = y + header + 30 + i * row;
    return [
      text(x + 20, base, label, { size: 14, fill: INK.light }),
      text(x + width - 20, base, value, { size: 14, anchor: 'end', mono: true }),
    ];
  });
  const killed = report.crash?.host === host.name;
  return [
    shadow(x, y, width, layout.cardHeight, r),
    rect(x, y, width, layout.cardHeight, { rx: r, fill: '#ffffff', stroke: INK.line }),
    path(band, { fill: colour(index) }),
    text(x + 20, y + 27, host.name, { size: 18, weight: 700, fill: '#ffffff' }),
    ...(killed ? killedMark(x + width - 20, y + 26) : []),
    ...rows,
  ];
}

function killedMark(right: number, baseLine: number): string[] {
  const bolt = path(`M${short(right - 116)},${short(baseLine - 13)} l-6,9 h4 l-2,7 l7,-10 h-4 l3,-6 z`, {
    fill: '#ffe08a',
  });
  return [bolt, text(right, baseLine, 'killed, restarted', { size: 13, fill: '#ffffff', anchor: 'end' })];
}

export function drawPod(host: HostReport, index: number, { columns, podY }: Layout): string[] {
  const width = CARD.width - 56;
  const middle = columns[index] as number;
  return [
    shadow(middle - width / 2, podY, width, POD.height, POD.height / 2),
    rect(middle - width / 2, podY, width, POD.height, { rx: POD.height / 2, fill: '#ffffff' }),
    rect(middle - width / 2, podY, width, POD.height, {
      rx: POD.height / 2,
      fill: colour(index),
      'fill-opacity': '0.12',
      stroke: colour(index),
      'stroke-width': 2,
    }),
    text(middle, podY + 23, host.pod.address, { size: 16, weight: 600, anchor: 'middle', mono: true }),
    text(middle, podY + 41, `pod, MTU ${host.mtuBytes}`, { size: 12, fill: INK.middle, anchor: 'middle' }),
  ];
}

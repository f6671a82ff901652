import type { DemoReport, PingCell } from '../report';
import { path, rect, short, text } from './svg-elements';
import { INK, pairs, threadDepth, type Layout } from './svg-layout';

export function drawThreads(report: DemoReport, layout: Layout): string[] {
  const count = report.hosts.length;
  return pairs(count).flatMap(([a, b]) => {
    const [ping, back] = [pingOf(report, a, b), pingOf(report, b, a)];
    const works = ping !== undefined && back !== undefined && ping.received > 0 && back.received > 0;
    const [from, to] = [end(layout, a, b - a, count), end(layout, b, a - b, count)];
    const depth = threadDepth(b - a) * (4 / 3); // a cubic curve reaches three quarters of the way to its handles
    const y = layout.threadsY - 4;
    const d = `M${short(from)},${short(y)} C${short(from)},${short(y + depth)} ${short(to)},${short(y + depth)} ${short(to)},${short(y)}`;
    const stroke = works ? `url(#thread-${a}-${b})` : INK.bad;
    const thread = path(d, {
      stroke,
      'stroke-width': 3,
      'stroke-linecap': 'round',
      opacity: '0.85',
      'stroke-dasharray': works ? undefined : '6 6',
    });
    return [thread, ...(count <= 4 ? [threadLabel((from + to) / 2, y + threadDepth(b - a), ping, works)] : [])];
  });
}

/** Threads leave a pod side by side: those to the left on its left, the longest outermost. */
function end({ columns }: Layout, index: number, distance: number, count: number): number {
  const step = Math.min(18, 150 / (2 * count));
  return (columns[index] as number) + Math.sign(distance) * (8 + step * (count - Math.abs(distance)));
}

function threadLabel(x: number, y: number, ping: PingCell | undefined, works: boolean): string {
  const label = works && ping && ping.averageMs !== null ? `${ping.averageMs.toFixed(2)} ms` : 'no answer';
  const width = 9 * label.length;
  const plate = rect(x - width / 2, y - 11, width, 22, { rx: 11, fill: INK.paper });
  return plate + text(x, y + 5, label, { size: 13, anchor: 'middle', fill: works ? INK.middle : INK.bad, mono: true });
}

function pingOf(report: DemoReport, from: number, to: number): PingCell | undefined {
  const [a, b] = [report.hosts[from]?.name, report.hosts[to]?.name];
  return report.pings.find((ping) => ping.from === a && ping.to === b);
}

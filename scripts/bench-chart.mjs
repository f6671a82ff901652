// Draws a benchmark's JSON and prints the same as a table. A report may say itself what to draw, with `charts`:
//
//   [{ title, groups: [{ name, bars: [{ name, value, reference }] }] }]      each chart with a linear scale of its own
//
// Otherwise every `{ median, ... }` is a bar, grouped by the part of the document it stands in; the unit is then the millisecond,
// and the scale is logarithmic: a reference is often ten times the measured thing.
import { readFileSync, writeFileSync } from 'node:fs';

const [input, output] = process.argv.slice(2);
const report = JSON.parse(readFileSync(input, 'utf8'));

function medians(value, path = []) {
  if (value === null || typeof value !== 'object') return [];
  if (typeof value.median === 'number')
    return [{ group: path.slice(0, -1).join(' / '), name: path.at(-1), median: value.median }];
  return Object.entries(value).flatMap(([key, child]) => medians(child, [...path, key]));
}

function chartOfMedians() {
  const groups = new Map();
  for (const { group, name, median } of medians(report)) {
    if (!groups.has(group)) groups.set(group, { name: group, bars: [] });
    groups.get(group).bars.push({ name, value: median, reference: /reference/i.test(group) });
  }
  return { groups: [...groups.values()], logarithmic: true };
}

const charts = report.charts ?? [chartOfMedians()];
const escape = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const ROW = 20;
const LABEL = 300;
const WIDTH = 900;
const SPACE = WIDTH - LABEL - 120;

function scaleOf({ groups, logarithmic = false }) {
  const values = groups.flatMap(({ bars }) => bars.map(({ value }) => value)).filter((value) => value > 0);
  if (!logarithmic) return (value) => (value / Math.max(...values)) * SPACE;
  const low = Math.log10(Math.min(...values, 1));
  const high = Math.log10(Math.max(...values, 10));
  return (value) => (value <= 0 ? 0 : ((Math.log10(value) - low) / (high - low)) * SPACE + 4);
}

let y = 48;
const parts = [];
function heading(text, size) {
  parts.push(`<text x="16" y="${y + 14}" font-size="${size}" font-weight="600">${escape(text)}</text>`);
  y += ROW + 2;
  console.log(text);
}
for (const chart of charts) {
  const scale = scaleOf(chart);
  y += 10;
  if (chart.title) heading(chart.title, 13);
  for (const { name, bars } of chart.groups) {
    if (!chart.title) y += 10;
    heading(name, 12);
    for (const bar of bars) {
      const length = scale(bar.value);
      const colour = bar.reference ? '#9aa5b1' : '#2f6f9f';
      parts.push(
        `<text x="${LABEL - 8}" y="${y + 14}" text-anchor="end">${escape(bar.name)}</text>`,
        `<rect x="${LABEL}" y="${y + 3}" width="${length.toFixed(1)}" height="${ROW - 6}" rx="2" fill="${colour}"/>`,
        `<text x="${(LABEL + length + 6).toFixed(1)}" y="${y + 14}">${bar.value}</text>`,
      );
      console.log(`  ${bar.name.padEnd(40)} ${String(bar.value).padStart(10)}`);
      y += ROW;
    }
  }
}
for (const { mode, variant, reference, measure, atLeast, atMost, measured, result } of report.charts
  ? (report.targets ?? [])
  : []) {
  const wanted = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
  console.log(`${result}: ${variant} / ${reference}, ${measure}, ${mode}: ${measured} (${wanted})`);
}
const machine = Object.values(report.machine ?? {}).join(', ');
const name = input.replace(/^.*\/|\.json$/g, '');
const title = report.charts ? `${name}: medians` : `${name}: medians, milliseconds, logarithmic`;
writeFileSync(
  output,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 24}" font-family="system-ui, sans-serif" font-size="12" fill="#1f2933">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="24" font-size="16" font-weight="600">${escape(title)}</text>
<text x="16" y="42" fill="#616e7c">${escape(machine)}</text>
${parts.join('\n')}
</svg>
`,
);
console.log(`written: ${input}, ${output}`);

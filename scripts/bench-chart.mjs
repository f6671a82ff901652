// Draws every `{ median, ... }` of a benchmark's JSON as a bar, grouped by the part of the document it stands in, and prints the
// same as a table. The scale is logarithmic: a reference is often ten times the measured thing.
import { readFileSync, writeFileSync } from 'node:fs';

const [input, output] = process.argv.slice(2);
const report = JSON.parse(readFileSync(input, 'utf8'));

function medians(value, path = []) {
  if (value === null || typeof value !== 'object') return [];
  if (typeof value.median === 'number')
    return [{ group: path.slice(0, -1).join(' / '), name: path.at(-1), median: value.median }];
  return Object.entries(value).flatMap(([key, child]) => medians(child, [...path, key]));
}

const rows = medians(report);
const escape = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const ROW = 20;
const LABEL = 240;
const WIDTH = 900;
const positive = rows.map(({ median }) => median).filter((median) => median > 0);
const low = Math.log10(Math.min(...positive, 1));
const high = Math.log10(Math.max(...positive, 10));
const bar = (median) => (median <= 0 ? 0 : ((Math.log10(median) - low) / (high - low)) * (WIDTH - LABEL - 120) + 4);

let y = 48;
let group;
const parts = [];
for (const row of rows) {
  if (row.group !== group) {
    group = row.group;
    y += 10;
    parts.push(`<text x="16" y="${y + 14}" font-weight="600">${escape(group)}</text>`);
    y += ROW + 2;
    console.log(group);
  }
  const colour = /reference/i.test(group) ? '#9aa5b1' : '#2f6f9f';
  parts.push(
    `<text x="${LABEL - 8}" y="${y + 14}" text-anchor="end">${escape(row.name)}</text>`,
    `<rect x="${LABEL}" y="${y + 3}" width="${bar(row.median).toFixed(1)}" height="${ROW - 6}" rx="2" fill="${colour}"/>`,
    `<text x="${(LABEL + bar(row.median) + 6).toFixed(1)}" y="${y + 14}">${row.median}</text>`,
  );
  console.log(`  ${row.name.padEnd(28)} ${String(row.median).padStart(10)}`);
  y += ROW;
}
const machine = Object.values(report.machine ?? {}).join(', ');
const title = input.replace(/^.*\/|\.json$/g, '');
writeFileSync(
  output,
  `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 24}" font-family="system-ui, sans-serif" font-size="12" fill="#1f2933">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="24" font-size="16" font-weight="600">${escape(title)}: medians, milliseconds, logarithmic</text>
<text x="16" y="42" fill="#616e7c">${escape(machine)}</text>
${parts.join('\n')}
</svg>
`,
);
console.log(`written: ${input}, ${output}`);

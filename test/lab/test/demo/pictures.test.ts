import { makeInk, padRight, wantsColour, widthOf } from '../../src/demo/picture/ink';
import { drawTable } from '../../src/demo/picture/table';
import { drawTopologySvg } from '../../src/demo/picture/topology-svg';
import { drawTopology } from '../../src/demo/picture/topology-text';
import { printReport } from '../../src/demo/print-report';
import { sampleReport } from './sample-report';

const plain = makeInk(false);
const coloured = makeInk(true);

describe('ink', () => {
  it('colours only when asked, and widths do not count the colour', () => {
    expect(plain.bold('x') + plain.host('y', 12)).toBe('xy');
    expect(coloured.good('x')).toBe('\u001b[32mx\u001b[0m');
    expect(widthOf(coloured.host('host1', 3))).toBe(5);
    expect(widthOf('║═✓')).toBe(3);
    expect(padRight(coloured.bold('ab'), 4)).toBe(`${coloured.bold('ab')}  `);
  });

  it('is for terminals that want it', () => {
    expect(wantsColour({ isTTY: true }, {})).toBe(true);
    expect(wantsColour({}, {})).toBe(false);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColour({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
  });
});

describe('tables', () => {
  it('line up', () => {
    expect(
      drawTable(
        plain,
        ['node', 'subnet'],
        [
          ['a', '10.0.0.0/8'],
          ['longer name', 'x'],
        ],
      ),
    ).toEqual(['node         subnet', 'a            10.0.0.0/8', 'longer name  x']);
  });
});

describe('topology in the terminal', () => {
  it.each([2, 3, 4, 5, 6, 7, 8, 9])('of %i hosts stays within 80 columns and shows every host', (count) => {
    const report = sampleReport(count);
    const lines = drawTopology(report, plain, 78);
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(78);
    const text = lines.join('\n');
    for (const host of report.hosts) {
      for (const fact of [host.name, host.address, host.subnet, host.pod.address]) expect(text).toContain(fact);
    }
    expect(text).toContain('etcd 3.4.23');
  });

  it('draws closed boxes whose cables meet', () => {
    expect(drawTopology(sampleReport(2), plain, 80).join('\n')).toMatchSnapshot();
  });

  it('is the same in colour', () => {
    const report = sampleReport(5);
    // eslint-disable-next-line no-control-regex
    const stripped = drawTopology(report, coloured, 100).map((line) => line.replace(/\u001b\[[\d;]*m/g, ''));
    expect(stripped).toEqual(drawTopology(report, plain, 100));
  });

  it('puts at least one card in a row however narrow the terminal', () => {
    expect(drawTopology(sampleReport(2), plain, 10).length).toBeGreaterThan(20);
  });
});

describe('topology as SVG', () => {
  /** Names of elements in order; throws when the document is not well formed. */
  function parseXml(document: string): string[] {
    const open: string[] = [];
    const seen: string[] = [];
    for (const [, close, name, attributes = '', self] of document.matchAll(
      /<(\/?)([\w]+)((?:\s+[\w-]+="[^"<]*")*)(\/?)>/g,
    )) {
      if (close) expect(open.pop()).toBe(name);
      else if (!self) open.push(name!);
      if (!close) seen.push(name!);
      expect(attributes).not.toMatch(/NaN|undefined|Infinity/);
    }
    expect(open).toEqual([]);
    expect(document.replace(/<[^<>]*>/g, '')).not.toMatch(/[<>]/);
    return seen;
  }

  it.each([2, 3, 9])('of %i hosts is well formed and complete', (count) => {
    const report = sampleReport(count);
    const document = drawTopologySvg(report);
    expect(parseXml(document)[0]).toBe('svg');
    for (const { name, address, pod, subnet } of report.hosts) {
      for (const fact of [name, address, pod.address, subnet]) expect(document).toContain(`>${fact}<`);
    }
    const threads = document.match(/stroke="url\(#thread-\d-\d\)"/g);
    expect(threads).toHaveLength((count * (count - 1)) / 2);
    expect(document).toContain('sent 2022, lost 0');
  });

  it('keeps within its own edges', () => {
    const document = drawTopologySvg(sampleReport(9));
    const width = Number(/ width="(\d+)"/.exec(document)?.[1]);
    for (const [, x] of document.matchAll(/ x="(-?[\d.]+)"/g)) expect(Number(x)).toBeLessThanOrEqual(width);
  });

  it('escapes what it is given', () => {
    const document = drawTopologySvg(sampleReport(2, { way: 'a < b & "c"' }));
    expect(document).toContain('a &lt; b &amp; &quot;c&quot;');
    parseXml(document);
  });

  it('shows what does not work', () => {
    const report = sampleReport(2);
    const pings = report.pings.map((ping) => ({ ...ping, received: 0, averageMs: null }));
    const document = drawTopologySvg({ ...report, pings, throughput: null, crash: null });
    expect(document).toContain('no answer');
    expect(document).toContain('0 of 2');
    expect(document).not.toContain('url(#thread-0-1)');
  });
});

describe('the printed report', () => {
  it('has everything, and no colour codes when plain', () => {
    const text = printReport(sampleReport(3), plain, 80).join('\n');
    for (const part of ['/coreos.com/network/subnets/10.42.200.0-24', '24.0 h', '13.4 Gbit/s', 'sent 2022, lost 0']) {
      expect(text).toContain(part);
    }
    expect(text).toContain('All of it worked.');
    expect(text).not.toContain('\u001b');
  });

  it('names every problem and skip', () => {
    const report = sampleReport(2, { ok: false, problems: ['host1: no lease'], skipped: ['throughput: no iperf3'] });
    const text = printReport({ ...report, throughput: null }, plain, 80).join('\n');
    expect(text).toContain('✗ host1: no lease');
    expect(text).toContain('SKIPPED throughput: no iperf3');
    expect(text).toContain('Not all of it worked.');
  });
});

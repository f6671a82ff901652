import { daemonHelp, daemonOptionTable, environmentNames } from '@tartan/core';

describe('--help', () => {
  const lines = daemonHelp().split('\n');

  it('keeps to 100 columns and leaves no blanks at the end of a line', () => {
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    expect(lines.filter((line) => line.endsWith(' '))).toEqual([]);
  });

  it.each(Object.entries(daemonOptionTable))('shows --%s with its variables', (name, definition) => {
    expect(daemonHelp()).toMatch(new RegExp(`^ {2}(-h, )?--${name}\\b`, 'm'));
    for (const variable of environmentNames(name, definition)) expect(daemonHelp()).toContain(variable);
  });

  it('shows defaults, and says what has no effect', () => {
    expect(daemonHelp()).toContain('default: /run/flannel/subnet.env');
    expect(daemonHelp().replaceAll(/\s+/g, ' ')).toContain('Accepted, without effect: it names source files');
  });

  it('starts every explanation in the same column', () => {
    const columns = lines.flatMap((line) => /^ {2}\S.*? {2,}(?=\S)/.exec(line)?.[0].length ?? []);
    expect(new Set(columns)).toEqual(new Set([34]));
  });
});

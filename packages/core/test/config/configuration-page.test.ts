import { parseNetworkConfig } from '@tartan/core';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { networkConfigKeys } from '../../src/config';

const page = readFileSync(resolve(__dirname, '../../../../docs/configuration.md'), 'utf8');

describe('docs/configuration.md', () => {
  const examples = [...page.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text]) => text as string);

  it('has examples', () => {
    expect(examples.length).toBeGreaterThanOrEqual(4);
  });

  it.each(examples)('shows a config that works: %s', (text) => {
    expect(parseNetworkConfig(text, { strict: true }).warnings).toEqual([]);
  });

  it('explains every key', () => {
    const explained = [...page.matchAll(/^\| (`.*?) +\|/gm)].flatMap(
      ([, cell]) => (cell as string).match(/\w+/g) ?? [],
    );
    expect(explained).toEqual(expect.arrayContaining([...networkConfigKeys]));
  });

  const rows = [...page.matchAll(/^\| `(\S+\/\d+)` +\| (\d*) +\| (\d+) +\| `(\S+)` +\| `(\S+)` +\|$/gm)];

  it.each(rows.map(([, ...cells]) => cells))(
    'derives for %s with "%s": /%s from %s to %s',
    (network, given, length, min, max) => {
      const six = network.includes(':');
      const members = six
        ? { EnableIPv4: false, EnableIPv6: true, IPv6Network: network }
        : { Network: network, SubnetLen: Number(given) };
      const { ipv4, ipv6 } = parseNetworkConfig(JSON.stringify(members)).config;
      const family = six ? ipv6 : ipv4;
      expect([family?.subnetLength, family?.subnetMin.toString(), family?.subnetMax.toString()]).toEqual([
        Number(length),
        min,
        max,
      ]);
    },
  );

  it('lists the rows of the table', () => {
    expect(rows).toHaveLength(7);
  });
});

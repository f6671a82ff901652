import { isTartanError, parseNetworkConfig } from '@tartan/core';
import fc from 'fast-check';
import { config, failureOf, parse } from './support';

describe('decoding (flannel-compat 1.1)', () => {
  it('matches names whatever their case; of several the last counts, in whatever case', () => {
    const text =
      '{"NETWORK": "10.1.0.0/16", "network": "10.2.0.0/16", "Network": "10.3.0.0/16", "backend": {"TYPE": "VXLAN"}}';
    const { config: parsed, warnings } = parseNetworkConfig(text);
    expect(parsed.ipv4?.network.toString()).toBe('10.3.0.0/16');
    expect(parsed.backendType).toBe('vxlan');
    expect(warnings).toEqual([
      { kind: 'repeated-key', key: 'Network', message: 'Network stands there more than once; the last value counts' },
    ]);
  });

  it('keeps the backend as written, duplicates resolved', () => {
    const text =
      '{"Network": "10.1.0.0/16", "Backend": {"Port": 1, "port": 2, "Type": "VXLAN", "Port": 3, "__proto__": 1}}';
    const { backend } = parseNetworkConfig(text).config;
    expect(Object.entries(backend)).toEqual([
      ['port', 2],
      ['Type', 'VXLAN'],
      ['Port', 3],
      ['__proto__', 1],
    ]);
  });

  it('leaves booleans at their default where they are null', () => {
    const parsed = config({ Network: '10.1.0.0/16', EnableIPv4: null, EnableIPv6: null, EnableNFTables: null });
    expect(parsed).toMatchObject({ ipv6: null, enableNFTables: false });
    expect(parsed.ipv4).not.toBeNull();
  });

  it('reads both families and nftables', () => {
    const parsed = config({ Network: '10.1.0.0/16', EnableIPv6: true, IPv6Network: 'fd00::/48', EnableNFTables: true });
    expect([parsed.ipv4?.network.toString(), parsed.ipv6?.network.toString()]).toEqual(['10.1.0.0/16', 'fd00::/48']);
    expect(parsed.enableNFTables).toBe(true);
  });

  it('takes an absent backend as udp and says so', () => {
    const { config: parsed, warnings } = parseNetworkConfig('{"Network": "10.1.0.0/16"}');
    expect(parsed).toMatchObject({ backendType: 'udp', backend: {} });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ kind: 'default-backend', key: 'Backend' });
    expect(warnings[0]?.message).toContain('"udp"');
  });
});

describe('warnings', () => {
  it('name the nearest key', () => {
    expect(parse({ Network: '10.1.0.0/16', SubnetLenght: 25 }).warnings).toEqual([
      {
        kind: 'unknown-key',
        key: 'SubnetLenght',
        message: 'SubnetLenght is not a known key and is ignored; did you mean SubnetLen?',
      },
    ]);
  });

  it('say where a key of the backend belongs', () => {
    const [warning] = parse({ Network: '10.1.0.0/16', DirectRouting: true }).warnings;
    expect(warning?.message).toContain('did you mean Backend.DirectRouting?');
  });

  it('list the known keys where none is near', () => {
    const [warning] = parse({ Network: '10.1.0.0/16', 'a\nb': 1 }).warnings;
    expect(warning?.message).toMatch(/^"a\\nb" is not a known key and is ignored; known keys are EnableIPv4, /);
  });

  it('tell that lists of networks are gone', () => {
    const { warnings } = parse({ Network: '10.1.0.0/16', networks: ['10.2.0.0/16'], IPv6Networks: [] });
    expect(warnings.map(({ kind, key }) => [kind, key])).toEqual([
      ['obsolete-key', 'networks'],
      ['obsolete-key', 'IPv6Networks'],
    ]);
  });

  it('tell of members whose family is off', () => {
    const { warnings } = parse({ Network: '10.1.0.0/16', IPv6Network: 'fd00::/48' });
    expect(warnings).toEqual([
      { kind: 'unused-key', key: 'IPv6Network', message: 'IPv6Network has no effect: EnableIPv6 is not true' },
    ]);
  });

  it('are errors when strict, as far as keys are concerned', () => {
    expect(failureOf({ Network: '10.1.0.0/16', SubnetLenght: 25, Networks: [], x1: 1 }, true)).toBe(
      'SubnetLenght is not a known key, expected SubnetLen; ' +
        'Networks is a key that only flannel v0.20 reads, expected Network; ' +
        'x1 is not a known key, expected one of EnableIPv4, EnableIPv6, EnableNFTables, Network, IPv6Network, SubnetLen, ' +
        'SubnetMin, SubnetMax, IPv6SubnetLen, IPv6SubnetMin, IPv6SubnetMax, Backend',
    );
    expect(parse({ Network: '10.1.0.0/16', IPv6Network: 'fd00::/48' }, true).config.strict).toBe(true);
  });
});

describe('hostile input', () => {
  it('gives a config or a CONFIG_* error for any JSON and any text', () => {
    const keys = fc.constantFrom(
      'Network',
      'SubnetLen',
      'SubnetMin',
      'IPv6Network',
      'EnableIPv6',
      'Backend',
      'x',
      '__proto__',
    );
    const values = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('10.1.0.0/16', 'fd00::/48', '10.1.2.0', '0.0.0.0/0', '::/0', 1e308, -0, 33, { Type: 'x' }),
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.dictionary(keys, values).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(text, fc.boolean(), (input, strict) => {
        try {
          const { config: parsed } = parseNetworkConfig(input, { strict });
          return parsed.ipv4 !== null || parsed.ipv6 !== null;
        } catch (error) {
          return isTartanError(error, 'CONFIG_INVALID', 'CONFIG_NOT_JSON') && !/\p{Cc}/u.test(error.message);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

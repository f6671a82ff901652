import { isTartanError, parseNetworkConfig, type NetworkConfig, type ParsedNetworkConfig } from '@tartan/core';
import fc from 'fast-check';

const VXLAN = { Backend: { Type: 'vxlan' } };

function parse(config: object, strict = false): ParsedNetworkConfig {
  return parseNetworkConfig(JSON.stringify({ ...VXLAN, ...config }), { strict });
}

function config(members: object): NetworkConfig {
  return parse(members).config;
}

/** The message without its beginning. */
function failure(text: string, strict = false): string {
  try {
    parseNetworkConfig(text, { strict });
  } catch (error) {
    if (isTartanError(error, 'CONFIG_INVALID', 'CONFIG_NOT_JSON')) return error.message.replace('network config: ', '');
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

function failureOf(members: object, strict = false): string {
  return failure(JSON.stringify({ ...VXLAN, ...members }), strict);
}

interface Derived {
  readonly length: number;
  readonly min: string;
  readonly max: string;
}

function derived({ ipv4, ipv6 }: NetworkConfig): Derived {
  const family = ipv6 ?? ipv4;
  if (!family) throw new Error('no family');
  return { length: family.subnetLength, min: family.subnetMin.toString(), max: family.subnetMax.toString() };
}

describe('derived values (flannel-compat 1.2)', () => {
  it.each<[string, number | undefined, number, string, string]>([
    ['10.5.0.0/16', undefined, 24, '10.5.1.0', '10.5.255.0'],
    ['10.5.0.0/22', undefined, 24, '10.5.1.0', '10.5.3.0'],
    ['10.5.0.0/23', undefined, 25, '10.5.0.128', '10.5.1.128'],
    ['10.5.0.0/28', undefined, 30, '10.5.0.4', '10.5.0.12'],
    ['10.5.0.0/16', 30, 30, '10.5.0.4', '10.5.255.252'],
    ['10.0.0.0/8', undefined, 24, '10.0.1.0', '10.255.255.0'],
    ['255.255.0.0/16', undefined, 24, '255.255.1.0', '255.255.255.0'],
  ])('%s, SubnetLen %s', (network, subnetLen, length, min, max) => {
    expect(derived(config({ Network: network, SubnetLen: subnetLen }))).toEqual({ length, min, max });
  });

  it.each<[string, number | undefined, number, string, string]>([
    ['fc00::/48', undefined, 64, 'fc00:0:0:1::', 'fc00:0:0:ffff::'],
    ['fc00::/62', undefined, 64, 'fc00:0:0:1::', 'fc00:0:0:3::'],
    ['fc00::/63', undefined, 65, 'fc00::8000:0:0:0', 'fc00:0:0:1:8000::'],
    ['fc00::/124', undefined, 126, 'fc00::4', 'fc00::c'],
    ['fc00::/48', 56, 56, 'fc00:0:0:100::', 'fc00:0:0:ff00::'],
  ])('%s, IPv6SubnetLen %s', (network, subnetLen, length, min, max) => {
    const members = { EnableIPv4: false, EnableIPv6: true, IPv6Network: network, IPv6SubnetLen: subnetLen };
    expect(derived(config(members))).toEqual({ length, min, max });
  });

  it('masks host bits off', () => {
    expect(config({ Network: '10.5.7.9/16' }).ipv4?.network.toString()).toBe('10.5.0.0/16');
  });

  it('takes a range, also from the very first subnet on', () => {
    const members = { Network: '10.5.0.0/16', SubnetMin: '10.5.0.0', SubnetMax: '10.5.9.0' };
    expect(derived(config(members))).toEqual({ length: 24, min: '10.5.0.0', max: '10.5.9.0' });
  });

  it('derives where a bound is unspecified or null, and a length is 0 or null', () => {
    const v4 = { Network: '10.5.0.0/16', SubnetMin: '0.0.0.0', SubnetMax: '0.0.0.0', SubnetLen: 0 };
    expect(derived(config(v4))).toEqual({ length: 24, min: '10.5.1.0', max: '10.5.255.0' });
    const v6 = { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fc00::/48', IPv6SubnetLen: null };
    const bounds = { IPv6SubnetMin: null, IPv6SubnetMax: '::' };
    expect(derived(config({ ...v6, ...bounds })).max).toBe('fc00:0:0:ffff::');
  });

  it('yields an aligned, ordered range inside of any valid network, with room for at least three subnets', () => {
    const members = fc.record({
      address: fc.nat(0xdfff_ffff),
      length: fc.integer({ min: 8, max: 28 }),
      extra: fc.nat(22),
    });
    fc.assert(
      fc.property(members, ({ address, length, extra }) => {
        const octets = [1 + (address >>> 25), (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
        if (octets[0] === 127) octets[0] = 10;
        const SubnetLen = extra === 0 ? 0 : Math.min(30, length + 1 + extra);
        const { ipv4 } = config({ Network: `${octets.join('.')}/${length}`, SubnetLen: SubnetLen });
        if (!ipv4) throw new Error('no IPv4');
        const size = 2 ** (32 - ipv4.subnetLength);
        expect(ipv4.network.contains(ipv4.subnetMin)).toBe(true);
        expect(ipv4.subnetMax.value + size - 1).toBe(ipv4.network.last.value);
        expect([ipv4.subnetMin.value % size, ipv4.subnetMax.value % size]).toEqual([0, 0]);
        expect((ipv4.subnetMax.value - ipv4.subnetMin.value) / size + 1).toBeGreaterThanOrEqual(3);
      }),
    );
  });
});

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

describe('refusals', () => {
  const v6 = { EnableIPv4: false, EnableIPv6: true };

  it.each<[object, string]>([
    // Wrong JSON types.
    [
      { Network: '10.1.0.0/16', SubnetLen: '24' },
      'SubnetLen is "24", expected a prefix length: a whole number without quotes, sign and fraction',
    ],
    [
      { Network: '10.1.0.0/16', SubnetLen: -1 },
      'SubnetLen is -1, expected a prefix length: a whole number without quotes, sign and fraction',
    ],
    [
      { Network: '10.1.0.0/16', SubnetLen: 24.5 },
      'SubnetLen is 24.5, expected a prefix length: a whole number without quotes, sign and fraction',
    ],
    [{ Network: '' }, 'Network is "", expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: null }, 'Network is null, expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: ['10.1.0.0/16'] }, 'Network is an array, expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: '10.1.0.0' }, 'Network is "10.1.0.0", expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: '10.1.0.0/33' }, 'Network is "10.1.0.0/33", expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: 'fd00::/48' }, 'Network is "fd00::/48", expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: '10.1.0.0/16', SubnetMin: null }, 'SubnetMin is null, expected an IPv4 address in quotes'],
    [{ Network: '10.1.0.0/16', SubnetMax: '10.1.0' }, 'SubnetMax is "10.1.0", expected an IPv4 address in quotes'],
    [{ Network: '10.1.0.0/16', EnableIPv6: 'true' }, 'EnableIPv6 is "true", expected true or false, without quotes'],
    // Semantics of the original.
    [
      {},
      'Network is absent, expected the IPv4 network of the overlay, such as "10.5.0.0/16", or "EnableIPv4": false for an overlay of IPv6 alone',
    ],
    [
      { Network: '0.0.0.0/0' },
      'Network is 0.0.0.0/0, which counts as absent, expected the IPv4 network of the overlay, such as "10.5.0.0/16", or "EnableIPv4": false for an overlay of IPv6 alone',
    ],
    [
      { Network: '10.1.0.0/16', SubnetLen: 31 },
      'SubnetLen is 31, expected a prefix length from 18 to 30, so that 10.1.0.0/16 has room for four subnets',
    ],
    [
      { Network: '10.1.0.0/16', SubnetLen: 17 },
      'SubnetLen is 17, expected a prefix length from 18 to 30, so that 10.1.0.0/16 has room for four subnets',
    ],
    [
      { Network: '10.1.0.0/29' },
      'Network is 10.1.0.0/29, expected a prefix length of at most 28, so that there is room for four subnets of /30; with 22 or less each host gets a /24',
    ],
    [
      { Network: '10.1.0.0/29', SubnetLen: 30 },
      'Network is 10.1.0.0/29, expected a prefix length of at most 28, so that there is room for four subnets of /30; with 22 or less each host gets a /24',
    ],
    [
      { Network: '10.1.0.0/16', SubnetMin: '10.2.0.0' },
      'SubnetMin is 10.2.0.0, expected an address inside of 10.1.0.0/16',
    ],
    [
      { Network: '10.1.0.0/16', SubnetMax: '10.1.9.1' },
      'SubnetMax is 10.1.9.1, expected the network address of a /24, such as 10.1.9.0',
    ],
    [
      { ...v6 },
      'IPv6Network is absent, expected the IPv6 network of the overlay, such as "fd00:10:5::/48", or "EnableIPv6": false for an overlay of IPv4 alone',
    ],
    [
      { ...v6, IPv6Network: 'fd00::/48', IPv6SubnetLen: 127 },
      'IPv6SubnetLen is 127, expected a prefix length from 50 to 126, so that fd00::/48 has room for four subnets',
    ],
    [
      { ...v6, IPv6Network: 'fd00::/125' },
      'IPv6Network is fd00::/125, expected a prefix length of at most 124, so that there is room for four subnets of /126; with 62 or less each host gets a /64',
    ],
    [
      { ...v6, IPv6Network: 'fd00::/48', IPv6SubnetMin: 'fd00::1' },
      'IPv6SubnetMin is fd00::1, expected the network address of a /64, such as fd00::',
    ],
    // What the original accepts and fails on later.
    [
      { ...v6, IPv6Network: '10.1.0.0/16' },
      'IPv6Network is "10.1.0.0/16", expected an IPv6 prefix in quotes, such as "fd00:10:5::/48"',
    ],
    [
      { Network: '10.1.0.0/16', SubnetMin: '10.1.9.0', SubnetMax: '10.1.2.0' },
      'SubnetMin is 10.1.9.0, expected at most 10.1.2.0, which is SubnetMax: otherwise there is no subnet to lease',
    ],
    [
      { Network: '10.1.0.0/16', SubnetMax: '10.1.0.0' },
      'SubnetMax is 10.1.0.0, expected at least 10.1.1.0, or a SubnetMin too: the first subnet is left out unless SubnetMin names it',
    ],
    [
      { EnableIPv4: false },
      'EnableIPv4 is false, expected true, or "EnableIPv6": true: with both families off there is no overlay',
    ],
    [
      { Network: '224.0.0.0/16' },
      'Network is 224.0.0.0/16, expected a network apart from 224.0.0.0/4, the multicast range (RFC 5771); such as "10.5.0.0/16"',
    ],
    [
      { Network: '127.0.0.0/16' },
      'Network is 127.0.0.0/16, expected a network apart from 127.0.0.0/8, the loopback network (RFC 1122); such as "10.5.0.0/16"',
    ],
    [
      { Network: '0.1.0.0/16' },
      'Network is 0.1.0.0/16, expected a network apart from 0.0.0.0/8, "this network" (RFC 1122); such as "10.5.0.0/16"',
    ],
    [
      { Network: '64.0.0.0/2' },
      'Network is 64.0.0.0/2, expected a network apart from 127.0.0.0/8, the loopback network (RFC 1122); such as "10.5.0.0/16"',
    ],
    [
      { ...v6, IPv6Network: 'ff02::/48' },
      'IPv6Network is ff02::/48, expected a network apart from ff00::/8, the multicast range (RFC 4291); such as "fd00:10:5::/48"',
    ],
    [
      { ...v6, IPv6Network: 'fe80::/64' },
      'IPv6Network is fe80::/64, expected a network apart from fe80::/10, the link-local range, which no router forwards (RFC 4291); such as "fd00:10:5::/48"',
    ],
    [
      { ...v6, IPv6Network: '::ffff:10.1.0.0/112' },
      'IPv6Network is ::ffff:a01:0/112, expected a network apart from ::ffff:0:0/96, the IPv4-mapped range (RFC 4291); such as "fd00:10:5::/48"',
    ],
    [
      { ...v6, IPv6Network: '::/48' },
      'IPv6Network is ::/48, expected a network apart from ::/127, the unspecified and the loopback address (RFC 4291); such as "fd00:10:5::/48"',
    ],
    // Backend.
    [
      { Network: '10.1.0.0/16', Backend: null },
      'Backend is null, expected an object with a type, such as {"Type": "vxlan"}',
    ],
    [
      { Network: '10.1.0.0/16', Backend: 'vxlan' },
      'Backend is "vxlan", expected an object with a type, such as {"Type": "vxlan"}',
    ],
    [
      { Network: '10.1.0.0/16', Backend: {} },
      'Backend.Type is absent, expected the name of a backend in quotes, such as "vxlan"',
    ],
    [
      { Network: '10.1.0.0/16', Backend: { Type: '' } },
      'Backend.Type is "", expected the name of a backend in quotes, such as "vxlan"',
    ],
    [
      { Network: '10.1.0.0/16', Backend: { Type: 1 } },
      'Backend.Type is 1, expected the name of a backend in quotes, such as "vxlan"',
    ],
  ])('%j', (members, message) => {
    expect(failureOf(members)).toBe(message);
  });

  it('names every problem at once', () => {
    const members = {
      Network: '10.1.0.0/16',
      SubnetMin: 'x',
      EnableIPv6: true,
      IPv6Network: 'fe80::/48',
      Backend: null,
    };
    expect(
      failureOf(members)
        .split('; ')
        .map((problem) => problem.split(' ')[0]),
    ).toEqual(['SubnetMin', 'IPv6Network', 'such', 'Backend']);
  });

  it('shows hostile values on one short line', () => {
    const message = failureOf({ Network: `\u009b31m\u202e\u2028\n${'x'.repeat(5_000)}` });
    expect(message).toContain('Network is "\\u009b31m\\u202e\\u2028\\nxxx');
    expect(message.length).toBeLessThan(200);
  });

  it('carries the problems as data', () => {
    const action = () => parse({ Network: '10.1.0.0/16', SubnetLen: 31, SubnetMin: 'x', Backend: null });
    expect(caught(action)).toMatchObject({
      code: 'CONFIG_INVALID',
      data: { key: 'SubnetMin', value: '"x"', others: [{ key: 'Backend', value: 'null' }] },
    });
  });

  it.each(['[]', '"x"', 'null', '1', 'true'])('refuses %s as a whole', (text) => {
    expect(failure(text)).toMatch(/^the whole text is .*, expected an object such as/);
  });

  it('passes on where the text stops being JSON', () => {
    expect(failure('{\n  "Network": "10.1.0.0/16",\n}')).toBe(
      'not JSON at line 3, column 1: a comma stands before the end; remove it',
    );
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

function caught(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

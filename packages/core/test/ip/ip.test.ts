import fc from 'fast-check';
import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  MacAddress,
  hostPrefix,
  parseIpAddress,
  parseIpPrefix,
} from '@tartan/core';

const v4 = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value) => Ipv4Address.fromNumber(value));
const v6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value) => Ipv6Address.fromBigInt(value));
/** Addresses with runs of zero groups: the corner of RFC 5952. */
const sparseV6 = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Ipv6Address.fromBigInt(groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n)));

/** RFC 5952 section 4 written down again, slowly: the oracle. */
function rfc5952(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - 16 * index)) & 0xffffn));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.start < 0) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

describe('addresses', () => {
  test('IPv4 text, bytes and number agree', () => {
    fc.assert(
      fc.property(v4, (address) => {
        expect(Ipv4Address.parse(address.toString()).value).toBe(address.value);
        expect(Ipv4Address.fromBytes(address.toBytes()).value).toBe(address.value);
        expect(address.toString()).toBe([...address.toBytes()].join('.'));
      }),
    );
  });

  test('IPv6 text is RFC 5952, and text, bytes and number agree', () => {
    fc.assert(
      fc.property(fc.oneof(v6, sparseV6), (address) => {
        expect(address.toString()).toBe(rfc5952(address.value));
        expect(Ipv6Address.parse(address.toString()).value).toBe(address.value);
        expect(Ipv6Address.fromBytes(address.toBytes()).value).toBe(address.value);
      }),
      { numRuns: 1000 },
    );
  });

  test.each(['', '10.5.0', '10.5.0.256', '10.5.0.1/24', '010.1.1.1', '10.5.0.1 ', 'fc00::1', 'host'])(
    '%p is not an IPv4 address',
    (text) => {
      expect(() => Ipv4Address.parse(text)).toThrow(expect.objectContaining({ code: 'ADDRESS_INVALID' }) as Error);
    },
  );

  test.each(['', '10.5.0.1', 'fc00::1/64', 'fe80::1%eth0', ':::', 'fc00:::1', '12345::', 'g::'])(
    '%p is not an IPv6 address',
    (text) => {
      expect(() => Ipv6Address.parse(text)).toThrow(expect.objectContaining({ code: 'ADDRESS_INVALID' }) as Error);
    },
  );

  test('arithmetic past either end is an error, never a wrap', () => {
    expect(() => Ipv4Address.parse('255.255.255.255').add(1)).toThrow();
    expect(() => Ipv4Address.parse('0.0.0.0').add(-1)).toThrow();
    expect(() => Ipv6Address.parse('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff').add(1n)).toThrow();
    expect(() => Ipv6Address.parse('::').add(-1n)).toThrow();
  });

  test.each([
    ['127.0.0.1', 'isLoopback'],
    ['224.0.0.1', 'isMulticast'],
    ['169.254.3.4', 'isLinkLocal'],
    ['0.0.0.0', 'isUnspecified'],
    ['::1', 'isLoopback'],
    ['ff02::1', 'isMulticast'],
    ['fe80::1', 'isLinkLocal'],
    ['febf::1', 'isLinkLocal'],
    ['::', 'isUnspecified'],
  ] as const)('%s %s', (text, property) => {
    expect(parseIpAddress(text)[property]).toBe(true);
    expect(parseIpAddress('192.0.2.1')[property]).toBe(false);
    expect(parseIpAddress('2001:db8::1')[property]).toBe(false);
  });
});

describe('prefixes', () => {
  const length4 = fc.integer({ min: 0, max: 32 });
  const length6 = fc.integer({ min: 0, max: 128 });

  test('host bits are masked off', () => {
    expect(Ipv4Prefix.parse('10.5.7.9/16').toString()).toBe('10.5.0.0/16');
    expect(Ipv6Prefix.parse('fc00:1:2:3:4::9/48').toString()).toBe('fc00:1:2::/48');
    expect(Ipv4Prefix.parse('255.255.255.255/0').toString()).toBe('0.0.0.0/0');
  });

  test('contains and overlaps agree with the first and last address', () => {
    fc.assert(
      fc.property(v4, length4, v4, length4, (a, aLength, b, bLength) => {
        const one = Ipv4Prefix.of(a, aLength);
        const two = Ipv4Prefix.of(b, bLength);
        expect(one.contains(a)).toBe(true);
        expect(one.contains(b)).toBe(b.value >= one.address.value && b.value <= one.last.value);
        expect(one.contains(two)).toBe(two.address.value >= one.address.value && two.last.value <= one.last.value);
        expect(one.overlaps(two)).toBe(one.address.value <= two.last.value && two.address.value <= one.last.value);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(v6, length6, v6, length6, (a, aLength, b, bLength) => {
        const one = Ipv6Prefix.of(a, aLength);
        const two = Ipv6Prefix.of(b, bLength);
        expect(one.contains(two)).toBe(two.address.value >= one.address.value && two.last.value <= one.last.value);
        expect(one.overlaps(two)).toBe(one.address.value <= two.last.value && two.address.value <= one.last.value);
        expect(one.last.value - one.address.value + 1n).toBe(one.size);
      }),
      { numRuns: 500 },
    );
  });

  test('families never mix', () => {
    expect(Ipv4Prefix.parse('0.0.0.0/0').contains(Ipv6Address.parse('::1'))).toBe(false);
    expect(Ipv6Prefix.parse('::/0').overlaps(Ipv4Prefix.parse('0.0.0.0/0'))).toBe(false);
    expect(Ipv6Prefix.parse('::/0').contains(Ipv4Address.parse('10.0.0.1'))).toBe(false);
  });

  test.each([
    '10.5.0.0',
    '10.5.0.0/33',
    '10.5.0.0/',
    '/16',
    '10.5.0.0/1x',
    'fc00::/129',
    'fc00::',
    'fc00::%1/64',
    '10.5.0.0/-1',
  ])('%p is not a prefix', (text) => {
    expect(() => parseIpPrefix(text)).toThrow(expect.objectContaining({ code: 'ADDRESS_INVALID' }) as Error);
  });

  test('hostPrefix holds exactly one address', () => {
    expect(hostPrefix(Ipv4Address.parse('192.0.2.7')).toString()).toBe('192.0.2.7/32');
    expect(hostPrefix(Ipv6Address.parse('2001:db8::7')).toString()).toBe('2001:db8::7/128');
  });
});

describe('MAC addresses', () => {
  test('canonical text, from either separator and case', () => {
    expect(MacAddress.parse('C2-25-54-CF-0E-AF').toString()).toBe('c2:25:54:cf:0e:af');
    expect(MacAddress.fromBytes(MacAddress.parse('c2:25:54:cf:0e:af').toBytes()).toString()).toBe('c2:25:54:cf:0e:af');
  });

  test.each(['', 'c2:25:54:cf:0e', 'c2:25:54:cf:0e:af:00', 'c2255 4cf0eaf', 'g2:25:54:cf:0e:af'])(
    '%p is not a MAC address',
    (text) => {
      expect(() => MacAddress.parse(text)).toThrow(expect.objectContaining({ code: 'ADDRESS_INVALID' }) as Error);
    },
  );
});

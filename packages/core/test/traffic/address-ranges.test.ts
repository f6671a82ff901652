import * as fc from 'fast-check';
import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix, parseIpPrefix, type IpPrefix } from '../../src';
import { addressOf, mergeRanges, toPrefixes, toRanges } from '../../src/traffic/rules/address-ranges';

/** Prefixes inside of a /24, or a /120, so that they touch and overlap often. */
const small4 = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 }))
  .map(([last, length]): IpPrefix => Ipv4Prefix.of(Ipv4Address.fromNumber(0x0a000000 + last), length));
const small6 = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 120, max: 128 }))
  .map(([last, length]): IpPrefix => Ipv6Prefix.of(Ipv6Address.fromBigInt((0xfdn << 120n) + BigInt(last)), length));

/** Slow oracle: every address by itself. */
function members(prefixes: readonly IpPrefix[]): string[] {
  const seen = new Set<bigint>();
  for (const prefix of prefixes) {
    for (let value = BigInt(prefix.address.value); value <= BigInt(prefix.last.value); value++) seen.add(value);
  }
  return [...seen].sort((a, b) => (a < b ? -1 : 1)).map(String);
}

describe('address ranges', () => {
  it.each([
    [4, small4],
    [6, small6],
  ] as const)('say the same in fewer prefixes, in IPv%s', (family, prefix) => {
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 12 }), (prefixes) => {
        const fewer = toPrefixes(family, toRanges(prefixes));
        expect(members(fewer)).toEqual(members(prefixes));
        expect(fewer.length).toBeLessThanOrEqual(new Set(prefixes.map(String)).size);
        for (const [index, one] of fewer.entries()) {
          expect(fewer.slice(index + 1).some((other) => other.overlaps(one))).toBe(false);
        }
      }),
    );
  });

  it('are equal for lists that hold the same addresses', () => {
    const halves = [parseIpPrefix('10.0.0.128/25'), parseIpPrefix('10.0.0.0/25')];
    expect(toRanges(halves)).toEqual(toRanges([parseIpPrefix('10.0.0.0/24')]));
    expect(mergeRanges([])).toEqual([]);
  });

  it('reach over the whole of a family', () => {
    expect(toPrefixes(4, toRanges([parseIpPrefix('0.0.0.0/0')])).map(String)).toEqual(['0.0.0.0/0']);
    expect(toPrefixes(6, toRanges([parseIpPrefix('::/0')])).map(String)).toEqual(['::/0']);
    expect(toPrefixes(6, toRanges([parseIpPrefix('ffff::/16')])).map(String)).toEqual(['ffff::/16']);
    expect(addressOf(6, 1n).toString()).toBe('::1');
  });
});

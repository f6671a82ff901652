import * as fc from 'fast-check';
import { leaseKey, type LeaseRecord } from '../../src';
import { byAge, resolveOverlaps } from '../../src/lease/peer-view';
import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix } from '../../src/ip';
import { attrs, record } from './lease-fixtures';

const v4 = fc
  .tuple(fc.nat(0x3ff), fc.integer({ min: 22, max: 30 }))
  .map(([low, length]) => Ipv4Prefix.of(Ipv4Address.fromNumber(0x0a05_0000 + low), length));
const v6 = fc
  .tuple(fc.nat(63), fc.integer({ min: 58, max: 66 }))
  .map(([low, length]) => Ipv6Prefix.of(Ipv6Address.fromBigInt((0xfcn << 120n) + (BigInt(low) << 64n)), length));
const leases = fc
  .array(fc.record({ subnet: fc.option(v4), ipv6Subnet: fc.option(v6), age: fc.nat(20) }), { maxLength: 25 })
  .map((found) =>
    found.map(({ subnet, ipv6Subnet, age }): LeaseRecord => {
      const key = leaseKey({ subnet, ipv6Subnet });
      return { ...record('10.0.0.0/8', attrs('192.0.2.1')), subnet, ipv6Subnet, key, createRevision: BigInt(age) };
    }),
  );

/** Pair by pair. */
function naive(peers: readonly LeaseRecord[], own: LeaseRecord | null): LeaseRecord[] {
  const held = own ? [own] : [];
  const accepted: LeaseRecord[] = [];
  for (const peer of peers) {
    if ([...held, ...accepted].some((other) => clash(other, peer))) continue;
    accepted.push(peer);
  }
  return accepted;
}

function clash(a: LeaseRecord, b: LeaseRecord): boolean {
  const four = a.subnet !== null && b.subnet !== null && a.subnet.overlaps(b.subnet);
  return four || (a.ipv6Subnet !== null && b.ipv6Subnet !== null && a.ipv6Subnet.overlaps(b.ipv6Subnet));
}

describe('resolveOverlaps', () => {
  it('accepts what comparing all pairs accepts, and names a holder for the rest', () => {
    const property = fc.property(leases, fc.boolean(), (found, hasOwn) => {
      const own = hasOwn ? (found[0] ?? null) : null;
      const peers = found.slice(own ? 1 : 0).sort(byAge);
      const view = resolveOverlaps(peers, own);
      expect(view.peers).toEqual(naive(peers, own));
      expect(view.peers.length + view.overlaps.length).toBe(peers.length);
      for (const { record: left, holder } of view.overlaps) {
        expect(holder === own || byAge(holder, left) <= 0).toBe(true);
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  it('does not compare each of 5,000 leases with every other', () => {
    const many = Array.from({ length: 5000 }, (_, i) =>
      record(
        `10.${i >> 8}.${i & 0xff}.0/24 fc00:0:${(i >> 8).toString(16)}:${(i & 0xff).toString(16)}::/64`,
        attrs('192.0.2.1'),
      ),
    );
    // The best of ten rounds, some 10 ms on an idle core: a busy machine delays some of them.
    const rounds = Array.from({ length: 10 }, () => {
      const start = performance.now();
      expect(resolveOverlaps(many, null).peers).toHaveLength(5000);
      return performance.now() - start;
    });
    expect(Math.min(...rounds)).toBeLessThan(200);
  });
});

import fc from 'fast-check';
import { formatLeaseKey, Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix, parseLeaseKey } from '@tartan/core';

const read = (text: string): string => {
  const parsed = parseLeaseKey(text);
  return parsed.ok ? `${String(parsed.value.subnet)} ${String(parsed.value.ipv6Subnet)}` : 'rejected';
};

describe('lease key', () => {
  it.each([
    ['10.5.34.0-24', '10.5.34.0/24 null'],
    ['/coreos.com/network/subnets/10.5.34.0-24', '10.5.34.0/24 null'],
    ['10.5.67.0-24&fc00:0:0:1b::-64', '10.5.67.0/24 fc00:0:0:1b::/64'],
    ['0.0.0.0-0&fc00:0:0:1::-64', 'null fc00:0:0:1::/64'],
    // What flanneld's loose expression also lets through.
    ['x10.5.34.0-24', '10.5.34.0/24 null'],
    ['10.5.34.7-24', '10.5.34.0/24 null'],
    ['10.5.34.0-024', '10.5.34.0/24 null'],
    ['10.5.34.0-24&fc00:0:0:0:0:0:0:0-64', '10.5.34.0/24 fc00::/64'],
    ['10.5.34.0-31&fc00::-127', '10.5.34.0/31 fc00::/127'],
  ])('takes %s', (text, expected) => expect(read(text)).toBe(expected));

  it.each([
    '10',
    '10.12.13.0',
    '10.12.13-24',
    '10.12.13.300-24',
    '10.12.13.0-24hi',
    '&2001::-56',
    '10.12.13.0-24&:12:13:-56',
    '10.12.13.0-24&20011::-56',
    '10.12.13.0-24&2001-56',
    '10.12.13.0-24&2001::',
    '10.12.13.0-24&2001::-56hi',
    '10.12.13.0-32',
    '10.12.13.0-24&2001::-128',
    '10.12.13.0-24&2001::A-64',
    '10.12x13y0-24',
    '010.12.13.0-24',
    '10.5.1.0-99999999999999999999',
    '0.0.0.0-0',
    '0.0.0.0-0&::-0',
    '',
  ])('rejects %j with a reason', (text) => {
    const parsed = parseLeaseKey(text);
    expect(parsed.ok).toBe(false);
    expect(parsed.ok || parsed.reason).toMatch(/^the key /);
  });

  it('writes what flanneld writes', () => {
    const subnet = Ipv4Prefix.parse('10.5.67.0/24');
    const ipv6Subnet = Ipv6Prefix.parse('FC00:0:0:1B::/64');
    expect(formatLeaseKey({ subnet, ipv6Subnet: null })).toBe('10.5.67.0-24');
    expect(formatLeaseKey({ subnet, ipv6Subnet })).toBe('10.5.67.0-24&fc00:0:0:1b::-64');
    expect(formatLeaseKey({ subnet: null, ipv6Subnet })).toBe('0.0.0.0-0&fc00:0:0:1b::-64');
  });

  it.each([
    [{ subnet: Ipv4Prefix.parse('10.5.1.1/32'), ipv6Subnet: null }],
    [{ subnet: null, ipv6Subnet: Ipv6Prefix.parse('fc00::1/128') }],
    [{ subnet: null, ipv6Subnet: null }],
    [{ subnet: Ipv4Prefix.parse('0.0.0.0/0'), ipv6Subnet: null }],
    [{ subnet: Ipv4Prefix.parse('0.0.0.0/0'), ipv6Subnet: Ipv6Prefix.parse('fc00::/64') }],
  ])('refuses to write a key that flanneld would misread', (subnets) => {
    expect(() => formatLeaseKey(subnets)).toThrow('refusing to write');
  });

  const v4 = fc
    .tuple(fc.nat(0xffff_ffff), fc.integer({ min: 1, max: 31 }))
    .map(([value, length]) => Ipv4Prefix.of(Ipv4Address.fromNumber(value), length));
  const v6 = fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.integer({ min: 1, max: 127 }))
    .map(([value, length]) => Ipv6Prefix.of(Ipv6Address.fromBigInt(value), length));

  it('round trips', () => {
    const places = fc.oneof(
      fc.record({ subnet: v4, ipv6Subnet: fc.option(v6) }),
      fc.record({ subnet: fc.constant(null), ipv6Subnet: v6 }),
    );
    fc.assert(
      fc.property(places, (subnets) => {
        const back = parseLeaseKey(`/any/subnets/${formatLeaseKey(subnets)}`);
        expect(JSON.stringify(back)).toBe(JSON.stringify({ ok: true, value: subnets }));
      }),
    );
  });

  it('never throws on foreign text', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\da-f.:&-]{0,40}$/));
    fc.assert(fc.property(text, (key) => void parseLeaseKey(key)));
  });
});

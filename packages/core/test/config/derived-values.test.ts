import type { NetworkConfig } from '@tartan/core';
import fc from 'fast-check';
import { config } from './support';

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

import {
  diffNetworkConfig,
  Ipv4Prefix,
  Ipv6Prefix,
  parseNetworkConfig,
  type ConfigChange,
  type LeaseSubnets,
} from '@tartan/core';

const BASE = { Network: '10.5.0.0/16', Backend: { Type: 'vxlan', VNI: 1 } };
const DUAL = { ...BASE, EnableIPv6: true, IPv6Network: 'fd00::/48' };
const LEASE: LeaseSubnets = { subnet: Ipv4Prefix.parse('10.5.9.0/24'), ipv6Subnet: null };
const DUAL_LEASE: LeaseSubnets = { ...LEASE, ipv6Subnet: Ipv6Prefix.parse('fd00:0:0:9::/64') };

function diff(before: object, after: object, lease?: LeaseSubnets): ConfigChange[] {
  const [old, present] = [before, after].map((value) => parseNetworkConfig(JSON.stringify(value)).config);
  if (!old || !present) throw new Error('unreachable');
  return diffNetworkConfig(old, present, lease);
}

function summary(changes: readonly ConfigChange[]): string[] {
  return changes.map(({ key, from, to, live }) => `${live ? 'live' : 'later'} ${key} ${from} → ${to}`);
}

describe('diffNetworkConfig', () => {
  it.each<[what: string, before: object, after: object, lease: LeaseSubnets | undefined, expected: string[]]>([
    ['nothing', BASE, { ...BASE, subnetlen: 24, SubnetMin: '10.5.1.0' }, LEASE, []],
    ['other spelling and order of the backend', BASE, { ...BASE, Backend: { vni: 1, type: 'VXLAN' } }, LEASE, []],
    ['a wider range', BASE, { ...BASE, SubnetMin: '10.5.0.0' }, LEASE, ['live SubnetMin 10.5.1.0 → 10.5.0.0']],
    [
      'a narrower range around the lease',
      BASE,
      { ...BASE, SubnetMin: '10.5.9.0', SubnetMax: '10.5.9.0' },
      LEASE,
      ['live SubnetMin 10.5.1.0 → 10.5.9.0', 'live SubnetMax 10.5.255.0 → 10.5.9.0'],
    ],
    [
      'a range above the lease',
      BASE,
      { ...BASE, SubnetMin: '10.5.10.0' },
      LEASE,
      ['later SubnetMin 10.5.1.0 → 10.5.10.0'],
    ],
    [
      'a range below the lease',
      BASE,
      { ...BASE, SubnetMax: '10.5.8.0' },
      LEASE,
      ['later SubnetMax 10.5.255.0 → 10.5.8.0'],
    ],
    [
      'a wider range, lease unknown',
      BASE,
      { ...BASE, SubnetMin: '10.5.0.0' },
      undefined,
      ['live SubnetMin 10.5.1.0 → 10.5.0.0'],
    ],
    [
      'a narrower range, lease unknown',
      BASE,
      { ...BASE, SubnetMin: '10.5.2.0' },
      undefined,
      ['later SubnetMin 10.5.1.0 → 10.5.2.0'],
    ],
    [
      'a wider network',
      BASE,
      { ...BASE, Network: '10.4.0.0/15' },
      LEASE,
      ['live Network 10.5.0.0/16 → 10.4.0.0/15', 'live SubnetMin 10.5.1.0 → 10.4.1.0'],
    ],
    [
      'a wider network, lease unknown',
      BASE,
      { ...BASE, Network: '10.4.0.0/15' },
      undefined,
      ['live Network 10.5.0.0/16 → 10.4.0.0/15', 'live SubnetMin 10.5.1.0 → 10.4.1.0'],
    ],
    [
      'a narrower network around the lease',
      BASE,
      { ...BASE, Network: '10.5.0.0/18' },
      LEASE,
      ['live Network 10.5.0.0/16 → 10.5.0.0/18', 'live SubnetMax 10.5.255.0 → 10.5.63.0'],
    ],
    [
      'a narrower network, lease unknown',
      BASE,
      { ...BASE, Network: '10.5.0.0/18' },
      undefined,
      ['later Network 10.5.0.0/16 → 10.5.0.0/18', 'later SubnetMax 10.5.255.0 → 10.5.63.0'],
    ],
    [
      'another network',
      BASE,
      { ...BASE, Network: '10.6.0.0/16' },
      LEASE,
      [
        'later Network 10.5.0.0/16 → 10.6.0.0/16',
        'later SubnetMin 10.5.1.0 → 10.6.1.0',
        'live SubnetMax 10.5.255.0 → 10.6.255.0',
      ],
    ],
    [
      'another subnet length',
      BASE,
      { ...BASE, SubnetLen: 25 },
      LEASE,
      ['later SubnetLen 24 → 25', 'live SubnetMin 10.5.1.0 → 10.5.0.128', 'live SubnetMax 10.5.255.0 → 10.5.255.128'],
    ],
    ['IPv6 switched on', BASE, DUAL, LEASE, ['later EnableIPv6 false → true']],
    ['IPv4 switched off', DUAL, { ...DUAL, EnableIPv4: false }, DUAL_LEASE, ['later EnableIPv4 true → false']],
    [
      'another IPv6 range',
      DUAL,
      { ...DUAL, IPv6SubnetMin: 'fd00:0:0:a::' },
      DUAL_LEASE,
      ['later IPv6SubnetMin fd00:0:0:1:: → fd00:0:0:a::'],
    ],
    [
      'another IPv6 length, none held',
      DUAL,
      { ...DUAL, IPv6SubnetLen: 72 },
      LEASE,
      [
        'live IPv6SubnetLen 64 → 72',
        'live IPv6SubnetMin fd00:0:0:1:: → fd00::100:0:0:0',
        'live IPv6SubnetMax fd00:0:0:ffff:: → fd00:0:0:ffff:ff00::',
      ],
    ],
    ['nftables', BASE, { ...BASE, EnableNFTables: true }, LEASE, ['later EnableNFTables false → true']],
    ['another backend', BASE, { ...BASE, Backend: { Type: 'host-gw' } }, LEASE, ['later Backend.Type vxlan → host-gw']],
    [
      'backend options',
      BASE,
      { ...BASE, Backend: { Type: 'vxlan', Port: 8472, PSK: 'geheim' } },
      LEASE,
      ['later Backend.VNI 1 → absent', 'later Backend.Port absent → 8472', 'later Backend.PSK absent → (not shown)'],
    ],
    [
      'nested backend options in another order',
      { ...BASE, Backend: { Type: 'x', A: { b: 1, c: [2] } } },
      { ...BASE, Backend: { Type: 'x', A: { c: [2], b: 1 } } },
      LEASE,
      [],
    ],
  ])('%s', (_, before, after, lease, expected) => {
    expect(summary(diff(before, after, lease))).toEqual(expected);
  });

  it('says what to do about each change that is not live', () => {
    const [network] = diff(BASE, { ...BASE, Network: '10.6.0.0/16' }, LEASE);
    expect(network).toMatchObject({
      live: false,
      remedy:
        'the subnet 10.5.9.0/24 of this node does not lie in 10.6.0.0/16: move the pods off this node, then restart tartand there: it gets another subnet',
    });
    const everything = diff(DUAL, {
      Network: '10.6.0.0/16',
      SubnetLen: 26,
      EnableNFTables: true,
      Backend: { Type: 'x' },
    });
    expect(everything.filter(({ live }) => !live).length).toBeGreaterThan(3);
    for (const change of everything) expect(change.live ? 'restart tartand' : change.remedy).toMatch(/restart tartand/);
  });
});

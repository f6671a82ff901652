import { MacAddress, type Lease } from '@tartan/core';
import fc from 'fast-check';
import {
  facts,
  findingLines,
  lease,
  networkConfig,
  onLink,
  ownLease,
  peer,
  peerMac,
  planFor,
  planLines,
  startNetwork,
  type LeaseText,
  containing,
} from './support/nodes';
import { Ipv4Address, Ipv6Address } from '@tartan/core';

const own = ['addr 10.5.1.0/32 dev flannel.1', 'addr fc00:0:0:1::/128 dev flannel-v6.1'];
const v4Of2 = [
  `neigh 10.5.2.0 dev flannel.1 lladdr ${peerMac(2)}`,
  `fdb ${peerMac(2)} dev flannel.1 dst 192.168.50.2`,
  'route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink',
];
const v6Of2 = [
  `neigh fc00:0:0:2:: dev flannel-v6.1 lladdr ${peerMac(2, 6)}`,
  `fdb ${peerMac(2, 6)} dev flannel-v6.1 dst fd00::2`,
  'route fc00:0:0:2::/64 via fc00:0:0:2:: dev flannel-v6.1 onlink',
];

function sorted(lines: readonly string[]): string[] {
  return [...lines].sort();
}

describe('the plan', () => {
  it('for a node without peers is the devices with their addresses', async () => {
    const plan = planFor(await startNetwork(), []);
    expect(planLines(plan)).toEqual(own);
    expect(plan.desired.links).toMatchObject([
      {
        name: 'flannel.1',
        kind: 'vxlan',
        mtuBytes: 1450,
        up: true,
        txQueueLength: 0,
        addrGenMode: 1,
        mac: MacAddress.parse('82:07:2c:bb:d0:7f'),
        vxlan: { vni: 1, port: 8472, learning: false, gbp: false, lowerIfname: 'eth0' },
      },
      { name: 'flannel-v6.1', mtuBytes: 1430, mac: MacAddress.parse('2e:3b:78:07:38:29') },
    ]);
    expect(plan.desired.sysctls).toEqual([
      { path: 'net/ipv6/conf/flannel.1/accept_ra', value: '0' },
      { path: 'net/ipv6/conf/flannel-v6.1/accept_ra', value: '0' },
    ]);
    expect(plan.ownership.devices).toEqual(['flannel.1', 'flannel-v6.1']);
    expect(plan.findings).toEqual([]);
  });

  it.each([
    ['ipv4', [own[0], ...v4Of2]],
    ['ipv6', [own[1], ...v6Of2]],
    ['dual', [...own, ...v4Of2, ...v6Of2]],
  ] as const)('has three objects for each peer: %s', async (families, expected) => {
    const plan = planFor(await startNetwork({ config: networkConfig(families) }), [peer(2)]);
    expect(sorted(planLines(plan))).toEqual(sorted(expected as string[]));
    expect(plan.findings).toEqual([]);
  });

  it('names device, port and flags by the options', async () => {
    const config = networkConfig('ipv4', { VNI: 7, Port: 4789, GBP: true, Learning: true });
    const plan = planFor(await startNetwork({ config }), [peer(2, { data: { VNI: 7, VtepMAC: peerMac(2) } })]);
    expect(plan.desired.links).toMatchObject([
      { name: 'flannel.7', vxlan: { vni: 7, port: 4789, gbp: true, learning: true } },
    ]);
    expect(planLines(plan)).toContain('route 10.5.2.0/24 via 10.5.2.0 dev flannel.7 onlink');
  });

  it('adopts what flanneld left towards peers', async () => {
    const plan = planFor(await startNetwork(), [peer(2), peer(3, { type: 'host-gw' })]);
    expect(plan.ownership.adoptRoutesVia.map(String)).toEqual(['192.168.50.2', 'fd00::2', '192.168.50.3', 'fd00::3']);
  });

  it('does not depend on the order of the leases', async () => {
    const network = await startNetwork();
    const leases = [
      ...Array.from({ length: 12 }, (_, n) => peer(n + 2)),
      peer(20, { data: { VNI: 1, VtepMAC: peerMac(2) } }),
      lease({ subnet: '10.5.3.128/25', publicIP: '192.168.50.99', data: { VtepMAC: peerMac(99) } }),
      peer(30, { type: 'udp' }),
      peer(31, { type: 'udp' }),
    ];
    const expected = planFor(network, leases);
    fc.assert(
      fc.property(fc.shuffledSubarray(leases, { minLength: leases.length }), (shuffled) => {
        const plan = planFor(network, shuffled);
        expect(plan.desired).toEqual(expected.desired);
        expect(plan.findings).toEqual(expected.findings);
      }),
      { numRuns: 50 },
    );
  });
});

describe('peers that cannot be programmed are left out with a reason', () => {
  it.each<[string, LeaseText, string[]]>([
    ['of another backend', { type: 'host-gw' }, ['PEER_OTHER_BACKEND backend host-gw']],
    ['without a type', { type: '' }, ['PEER_OTHER_BACKEND backend without a name (udp or alloc)']],
    [
      'whose data does not parse',
      { data: 'x', v6Data: { VNI: 1 } },
      ['PEER_DATA_INVALID peer 192.168.50.2, 10.5.2.0/24', 'PEER_DATA_INVALID peer 192.168.50.2, fc00:0:0:2::/64'],
    ],
    [
      'with another VNI',
      { node: 'b', data: { VNI: 2, VtepMAC: peerMac(2) }, v6Data: { VNI: 3, VtepMAC: peerMac(2, 6) } },
      ['PEER_OTHER_VNI peer b (192.168.50.2), 10.5.2.0/24', 'PEER_OTHER_VNI peer b (192.168.50.2), fc00:0:0:2::/64'],
    ],
    [
      'without addresses',
      { publicIP: '0.0.0.0', publicIPv6: null },
      ['PEER_WITHOUT_ADDRESS peer 0.0.0.0, 10.5.2.0/24', 'PEER_WITHOUT_ADDRESS peer 0.0.0.0, fc00:0:0:2::/64'],
    ],
    [
      'outside of the networks',
      { subnet: '10.6.2.0/24', ipv6Subnet: 'fd77::/64' },
      ['PEER_OUTSIDE_NETWORK peer 192.168.50.2, 10.6.2.0/24', 'PEER_OUTSIDE_NETWORK peer 192.168.50.2, fd77::/64'],
    ],
    [
      'in our own subnet',
      { subnet: '10.5.1.128/25', ipv6Subnet: 'fc00:0:0:1::/64' },
      [
        'PEER_SUBNET_OVERLAP peer 192.168.50.2, 10.5.1.128/25',
        'PEER_SUBNET_OVERLAP peer 192.168.50.2, fc00:0:0:1::/64',
      ],
    ],
    [
      'with our own address',
      { publicIP: '192.168.50.1', publicIPv6: 'fd00::1' },
      ['PEER_SAME_ADDRESS peer 192.168.50.1, 10.5.2.0/24', 'PEER_SAME_ADDRESS peer 192.168.50.1, fc00:0:0:2::/64'],
    ],
    [
      'with our own MAC',
      { data: { VNI: 1, VtepMAC: '82:07:2c:bb:d0:7f' }, v6Data: { VNI: 1, VtepMAC: '2e:3b:78:07:38:29' } },
      ['PEER_SAME_MAC peer 192.168.50.2, 10.5.2.0/24', 'PEER_SAME_MAC peer 192.168.50.2, fc00:0:0:2::/64'],
    ],
  ])('%s', async (_, change, findings) => {
    const plan = planFor(await startNetwork(), [peer(2, change)]);
    expect(planLines(plan)).toEqual(own);
    expect(findingLines(plan)).toEqual(findings);
    for (const finding of plan.findings) expect(finding).toMatchObject({ cure: containing('') });
  });

  it('a fault in one family leaves the other alone (V8)', async () => {
    const network = await startNetwork();
    const brokenV4 = planFor(network, [peer(2, { data: 'x' })]);
    expect(sorted(planLines(brokenV4))).toEqual(sorted([...own, ...v6Of2]));
    const brokenV6 = planFor(network, [peer(2, { publicIPv6: null })]);
    expect(sorted(planLines(brokenV6))).toEqual(sorted([...own, ...v4Of2]));
  });

  it('a peer of one family in a network of two is no fault', async () => {
    const plan = planFor(await startNetwork(), [peer(2, { ipv6Subnet: null, v6Data: null })]);
    expect(sorted(planLines(plan))).toEqual(sorted([...own, ...v4Of2]));
    expect(plan.findings).toEqual([]);
  });

  it('two peers with one MAC: the first subnet keeps it', async () => {
    const clone = peer(3, { data: { VNI: 1, VtepMAC: peerMac(2) } });
    const plan = planFor(await startNetwork({ config: networkConfig('ipv4') }), [clone, peer(2)]);
    expect(sorted(planLines(plan))).toEqual(sorted([own[0] as string, ...v4Of2]));
    expect(findingLines(plan)).toEqual(['PEER_SAME_MAC peer 192.168.50.3, 10.5.3.0/24']);
  });

  it('many peers of one other backend are one finding', async () => {
    const leases = Array.from({ length: 9 }, (_, n): Lease => peer(n + 2, { type: 'host-gw' }));
    const { findings } = planFor(await startNetwork(), leases);
    expect(findings).toMatchObject([{ code: 'PEER_OTHER_BACKEND', message: containing('and 6 more') }]);
  });
});

describe('DirectRouting', () => {
  const config = networkConfig('dual', { DirectRouting: true });
  const router = { ifname: 'eth0', gateway: Ipv4Address.parse('192.168.50.254'), broadcast: true };
  const directV4 = 'route 10.5.2.0/24 via 192.168.50.2 dev eth0';
  const directV6 = 'route fc00:0:0:2::/64 via fd00::2 dev eth0';

  function routes(lines: readonly string[]): string[] {
    return lines.filter((line) => line.startsWith('route'));
  }

  it('is off unless asked for', async () => {
    expect(routes(planLines(planFor(await startNetwork(), [peer(2)])))).toEqual([v4Of2[2], v6Of2[2]]);
  });

  it('takes the direct way to peers on the same segment', async () => {
    const lines = planLines(planFor(await startNetwork({ config }), [peer(2)]));
    expect(routes(lines)).toEqual([directV4, directV6]);
  });

  it('keeps neighbour and FDB entries, so that the way back is one route', async () => {
    const network = await startNetwork({ config });
    const direct = planLines(planFor(network, [peer(2)]));
    const tunnel = planLines(planFor(network, [peer(2)], facts({ '192.168.50.2': router, 'fd00::2': undefined })));
    expect(direct.filter((line) => !line.startsWith('route'))).toEqual(
      tunnel.filter((line) => !line.startsWith('route')),
    );
    expect(routes(tunnel)).toEqual([v4Of2[2], v6Of2[2]]);
  });

  it.each([
    ['behind a router', router],
    ['that no route leads to', undefined],
    ['at the far end of a point-to-point link', { ...onLink, ifname: 'wg0', broadcast: false }],
    ['inside of the overlay itself', { ...onLink, ifname: 'flannel.1' }],
    ['that does not answer there', { ...onLink, neighbour: 'silent' as const }],
    ['that has not been asked yet', { ifname: 'eth0', gateway: null, broadcast: true }],
  ])('keeps the tunnel to a peer %s, for this family alone', async (_, route) => {
    const plan = planFor(await startNetwork({ config }), [peer(2)], facts({ '192.168.50.2': route }));
    expect(routes(planLines(plan))).toEqual([v4Of2[2], directV6]);
  });

  it('follows the interface that really leads there', async () => {
    const plan = planFor(
      await startNetwork({ config }),
      [peer(2)],
      facts({ '192.168.50.2': { ...onLink, ifname: 'eth7' } }),
    );
    expect(routes(planLines(plan))[0]).toBe('route 10.5.2.0/24 via 192.168.50.2 dev eth7');
  });
});

it('the own lease gives the address, whatever the node is called', async () => {
  const other = lease({ subnet: '10.5.9.0/24', ipv6Subnet: 'fc00:0:0:9::/64' });
  const network = await startNetwork({}, other);
  expect(planLines(planFor(network, []))).toEqual([
    'addr 10.5.9.0/32 dev flannel.1',
    `addr ${Ipv6Address.parse('fc00:0:0:9::').toString()}/128 dev flannel-v6.1`,
  ]);
  expect(ownLease.subnet?.toString()).toBe('10.5.1.0/24');
});

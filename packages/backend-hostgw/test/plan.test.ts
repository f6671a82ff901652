import type { Lease, Plan, UnderlayFacts } from '@tartan/core';
import { parseIpAddress } from '@tartan/core';
import { planRoutes } from '../src/plan';
import {
  externalInterface,
  facts,
  findingLines,
  lease,
  networkConfig,
  onLink,
  ownLease,
  peer,
  routeLines,
  type Families,
} from './support';

function plan(leases: readonly Lease[], families: Families = 'dual', underlay: UnderlayFacts = facts()): Plan {
  const context = { config: networkConfig(families), externalInterface: externalInterface(), lease: ownLease };
  return planRoutes(context, { snapshot: { revision: '1', leases }, underlay });
}

describe('planRoutes', () => {
  it.each<[Families, string[]]>([
    ['ipv4', ['10.5.2.0/24 via 192.168.50.2 dev eth0', '10.5.3.0/24 via 192.168.50.3 dev eth0']],
    ['ipv6', ['fc00:0:0:2::/64 via fd00::2 dev eth0', 'fc00:0:0:3::/64 via fd00::3 dev eth0']],
    [
      'dual',
      [
        '10.5.2.0/24 via 192.168.50.2 dev eth0',
        '10.5.3.0/24 via 192.168.50.3 dev eth0',
        'fc00:0:0:2::/64 via fd00::2 dev eth0',
        'fc00:0:0:3::/64 via fd00::3 dev eth0',
      ],
    ],
  ])('makes one route per peer: %s', (families, routes) => {
    const made = plan([peer(2), peer(3)], families);
    expect(routeLines(made)).toEqual(routes);
    expect(made.findings).toEqual([]);
  });

  it('asks for routes only, without onlink, in the main table, and owns no device', () => {
    const made = plan([peer(2)], 'ipv4');
    expect(made.desired).toMatchObject({ links: [], addresses: [], neighbours: [], fdb: [], sysctls: [] });
    expect(Object.keys(made.desired.routes[0]!).sort()).toEqual(['dst', 'gateway', 'ifname', 'peer']);
    expect(made.ownership.devices).toEqual([]);
  });

  it('names the peer by node and address where the node is known', () => {
    const [known] = plan([peer(2, { node: 'node-b' })], 'ipv4').desired.routes;
    expect(known!.peer).toBe('node-b (192.168.50.2)');
    const [v6only] = plan([peer(2, { publicIP: '0.0.0.0', subnet: null })], 'ipv6').desired.routes;
    expect(v6only!.peer).toBe('fd00::2');
  });

  it('reaches the same plan from any order of the leases', () => {
    const leases = [peer(4), peer(2, { subnet: '10.5.4.0/24' }), peer(3), peer(5, { type: 'vxlan' }), peer(9)];
    expect(plan([...leases].reverse())).toMatchObject({
      desired: plan(leases).desired,
      findings: plan(leases).findings,
    });
  });

  it('counts peers of other backends in one finding each', () => {
    const made = plan([...[2, 3, 4, 5].map((n) => peer(n, { type: 'vxlan' })), peer(6, { type: '' }), peer(7)]);
    expect(routeLines(made)).toHaveLength(2);
    expect(made.findings).toMatchObject([
      { code: 'PEER_OTHER_BACKEND', subject: 'backend without a name (udp or alloc)' },
      {
        code: 'PEER_OTHER_BACKEND',
        subject: 'backend vxlan',
        message: expect.stringContaining('192.168.50.2, 192.168.50.3, 192.168.50.4 and 1 more') as string,
      },
    ]);
  });

  it('says which route the kernel would take to a peer behind a router', () => {
    const routed = { ifname: 'eth0', gateway: parseIpAddress('192.168.50.254'), broadcast: true };
    const made = plan([peer(2), peer(3)], 'ipv4', facts({ '192.168.50.3': routed }));
    expect(routeLines(made)).toEqual(['10.5.2.0/24 via 192.168.50.2 dev eth0']);
    expect(made.findings).toMatchObject([
      {
        severity: 'error',
        code: 'PEER_NOT_ON_LINK',
        subject: 'peer 192.168.50.3, 10.5.3.0/24',
        message: expect.stringContaining('192.168.50.3 via 192.168.50.254 dev eth0') as string,
        cure: expect.stringContaining('vxlan') as string,
      },
    ]);
  });

  it('leaves out peers on another interface and behind links that are no segment', () => {
    const made = plan(
      [peer(2), peer(3)],
      'ipv4',
      facts({
        '192.168.50.2': { ...onLink, ifname: 'wg0', broadcast: false },
        '192.168.50.3': { ...onLink, broadcast: false },
      }),
    );
    expect(routeLines(made)).toEqual([]);
    expect(findingLines(made)).toEqual([
      'PEER_NOT_ON_LINK peer 192.168.50.2, 10.5.2.0/24',
      'PEER_NOT_ON_LINK peer 192.168.50.3, 10.5.3.0/24',
    ]);
  });

  it('keeps the route of a peer that the kernel knows no way to just now', () => {
    expect(routeLines(plan([peer(2)], 'ipv4', facts({ '192.168.50.2': undefined })))).toHaveLength(1);
  });

  it('judges the families of a peer apart', () => {
    const routed = { ...onLink, gateway: parseIpAddress('192.168.50.254') };
    const made = plan([peer(2)], 'dual', facts({ '192.168.50.2': routed }));
    expect(routeLines(made)).toEqual(['fc00:0:0:2::/64 via fd00::2 dev eth0']);
  });

  it.each<[string, Lease, string[]]>([
    [
      'no IPv4 address',
      peer(2, { publicIP: '0.0.0.0', ipv6Subnet: null }),
      ['PEER_WITHOUT_ADDRESS peer fd00::2, 10.5.2.0/24'],
    ],
    [
      'no IPv6 address',
      peer(2, { publicIPv6: null, subnet: null }),
      ['PEER_WITHOUT_ADDRESS peer 192.168.50.2, fc00:0:0:2::/64'],
    ],
    [
      'our address',
      peer(2, { publicIP: '192.168.50.1', ipv6Subnet: null }),
      ['PEER_SAME_ADDRESS peer 192.168.50.1, 10.5.2.0/24'],
    ],
    [
      'our IPv6 address',
      peer(2, { publicIPv6: 'fd00::1', subnet: null }),
      ['PEER_SAME_ADDRESS peer 192.168.50.2, fc00:0:0:2::/64'],
    ],
    [
      'our subnet',
      peer(2, { subnet: '10.5.1.0/24', ipv6Subnet: null }),
      ['PEER_SUBNET_OVERLAP peer 192.168.50.2, 10.5.1.0/24'],
    ],
    [
      'a part of our subnet',
      peer(2, { subnet: '10.5.1.128/25', ipv6Subnet: null }),
      ['PEER_SUBNET_OVERLAP peer 192.168.50.2, 10.5.1.128/25'],
    ],
    [
      'a subnet around ours',
      peer(2, { subnet: '10.5.0.0/22', ipv6Subnet: null }),
      ['PEER_SUBNET_OVERLAP peer 192.168.50.2, 10.5.0.0/22'],
    ],
    [
      'a foreign network',
      peer(2, { subnet: '192.168.50.0/24', ipv6Subnet: null }),
      ['PEER_OUTSIDE_NETWORK peer 192.168.50.2, 192.168.50.0/24'],
    ],
    [
      'everything',
      peer(2, { subnet: '0.0.0.0/0', ipv6Subnet: null }),
      ['PEER_OUTSIDE_NETWORK peer 192.168.50.2, 0.0.0.0/0'],
    ],
  ])('skips a peer that claims %s, and no other', (_, broken, findings) => {
    const made = plan([broken, peer(3)]);
    expect(routeLines(made)).toEqual(['10.5.3.0/24 via 192.168.50.3 dev eth0', 'fc00:0:0:3::/64 via fd00::3 dev eth0']);
    expect(findingLines(made)).toEqual(findings);
  });

  it('programs the first of two peers whose subnets overlap, and names both', () => {
    const made = plan([peer(2, { subnet: '10.5.4.0/23' }), peer(5), peer(6)], 'ipv4');
    expect(routeLines(made)).toEqual([
      '10.5.4.0/23 via 192.168.50.2 dev eth0',
      '10.5.6.0/24 via 192.168.50.6 dev eth0',
    ]);
    expect(made.findings).toMatchObject([
      {
        code: 'PEER_SUBNET_OVERLAP',
        subject: 'peer 192.168.50.5, 10.5.5.0/24',
        message: expect.stringContaining('192.168.50.2') as string,
      },
    ]);
  });

  it('adopts what flanneld routed to any peer, through its address or its vxlan next hop', () => {
    const made = plan([peer(2), peer(3, { type: 'vxlan', publicIPv6: null }), lease({ subnet: '10.5.4.0/24' })]);
    expect(made.ownership.adoptRoutesVia.map(String).sort()).toEqual([
      '10.5.2.0',
      '10.5.3.0',
      '10.5.4.0',
      '192.168.50.2',
      '192.168.50.3',
      'fc00:0:0:2::',
      'fc00:0:0:3::',
      'fd00::2',
    ]);
  });
});

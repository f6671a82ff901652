import assert from 'node:assert/strict';
import { Ipv4Address, Ipv4Prefix, Ipv6Prefix, type Finding, type Json, type Lease } from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { reaches } from './canonical';
import { planOn, type BackendFixture } from './fixture';
import { ipv6SubnetOf, OWN_NODE, subnetOf } from './nodes';
import { subnetsOf } from './planning';
import type { FamilyMode } from './subject';

interface BadPeer {
  readonly name: string;
  readonly make: (healthy: Lease, mode: FamilyMode) => Lease;
  /** No route to its subnet may be asked for. */
  readonly mustBeLeftOut?: boolean;
}

const nonsense: readonly Json[] = [null, 7, 'text', true, [], {}, { VNI: 'x', VtepMAC: 7 }, { PublicKey: [] }];

const badPeers: readonly BadPeer[] = [
  ...nonsense.map((data): BadPeer => ({
    name: `publishes ${JSON.stringify(data)} as its data`,
    make: (healthy) => withAttrs(healthy, { backendData: data, backendV6Data: data }),
  })),
  {
    name: 'publishes no data',
    make: ({ attrs, ...lease }) => {
      const { publicIP, publicIPv6, backendType } = attrs;
      return { ...lease, attrs: { publicIP, publicIPv6, backendType } };
    },
  },
  {
    name: 'publishes no address',
    make: (healthy) => withAttrs(healthy, { publicIP: Ipv4Address.fromNumber(0), publicIPv6: null }),
  },
  { name: 'runs another backend', make: (healthy) => withAttrs(healthy, { backendType: 'no-such-backend' }) },
  { name: 'has no subnet', make: (healthy) => ({ ...healthy, subnet: null, ipv6Subnet: null }) },
  { name: 'is a reservation', make: (healthy) => ({ ...healthy, reservation: true }) },
  {
    name: 'claims a subnet outside of the overlay',
    make: withSubnets(Ipv4Prefix.parse('192.0.2.0/24'), Ipv6Prefix.parse('2001:db8::/64')),
    mustBeLeftOut: true,
  },
  {
    name: 'claims everything',
    make: withSubnets(Ipv4Prefix.parse('0.0.0.0/0'), Ipv6Prefix.parse('::/0')),
    mustBeLeftOut: true,
  },
  { name: 'claims our subnet', make: withSubnets(subnetOf(OWN_NODE), ipv6SubnetOf(OWN_NODE)), mustBeLeftOut: true },
];

/** A peer with broken data is its own problem: it is left out with a finding, nothing is thrown, and all others are reached. */
export function badPeerSuite({ describe, it }: SuiteRunner, fixture: BackendFixture): void {
  for (const mode of fixture.modes) {
    describe(`a peer, ${mode}, that`, () => {
      for (const { name, make, mustBeLeftOut } of badPeers) {
        it(`${name} disturbs no other`, async () => {
          const [healthy, model] = (await fixture.peers(2, mode)) as [Lease, Lease];
          const bad = make(model, mode);
          const { network } = await fixture.start(mode);
          const plan = planOn(network, [bad, healthy]);
          for (const subnet of subnetsOf([healthy]))
            assert.ok(reaches(plan, subnet), `no route to ${subnet.toString()}`);
          if (mustBeLeftOut) {
            const claimed = subnetsOf([bad]);
            const routes = plan.desired.routes.filter(({ dst }) => claimed.some((subnet) => subnet.equals(dst)));
            assert.deepEqual(routes, []);
          }
          plan.findings.forEach(assertFinding);
        });
      }
    });
  }
}

function withAttrs(lease: Lease, attrs: Partial<Lease['attrs']>): Lease {
  return { ...lease, attrs: { ...lease.attrs, ...attrs } };
}

function withSubnets(subnet: Ipv4Prefix, ipv6Subnet: Ipv6Prefix): BadPeer['make'] {
  return (healthy, mode) => ({
    ...healthy,
    subnet: mode === 'IPv6' ? null : subnet,
    ipv6Subnet: mode === 'IPv4' ? null : ipv6Subnet,
  });
}

/** An operator can read it, and a machine can count it. */
function assertFinding({ severity, code, subject, message }: Finding): void {
  assert.ok(['info', 'warning', 'error'].includes(severity), severity);
  assert.match(code, /^[A-Z][A-Z0-9_]+$/);
  assert.ok(subject.length > 0 && message.length > 0, code);
}

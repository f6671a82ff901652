/*
 * A small cluster for tests of backends, as objects: node `n` (1 .. 255, we are 1) has 192.168.50.n and fd00::n on eth0, and leases
 * 10.5.n.0/24 and fc00:0:0:n::/64.
 */
import type { BackendContext, UnderlayFacts, UnderlayRoute } from '../backend';
import type { NetworkConfig } from '../config';
import type { ExternalInterface } from '../iface';
import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix } from '../ip';
import type { Json, Lease } from '../lease/lease';
import type { RtNetlink } from '../netlink';
import type { Finding } from '../reconcile';
import { silentLogger } from '../runtime';
import { FakeClock } from './fake-clock';

const ipv4Family = {
  network: Ipv4Prefix.parse('10.5.0.0/16'),
  subnetLength: 24,
  subnetMin: Ipv4Address.parse('10.5.1.0'),
  subnetMax: Ipv4Address.parse('10.5.255.0'),
};
const ipv6Family = {
  network: Ipv6Prefix.parse('fc00::/48'),
  subnetLength: 64,
  subnetMin: Ipv6Address.parse('fc00:0:0:1::'),
  subnetMax: Ipv6Address.parse('fc00:0:0:ffff::'),
};
/** The overlay's, IPv4 first. */
export const clusterNetworks = [ipv4Family.network, ipv6Family.network] as const;

export type Families = 'ipv4' | 'ipv6' | 'dual';

/** A lease in few words; what is missing is absent, of the tested type, or 0.0.0.0. */
export interface LeaseText {
  readonly subnet?: string | null;
  readonly ipv6Subnet?: string | null;
  readonly publicIP?: string;
  readonly publicIPv6?: string | null;
  readonly type?: string;
  readonly node?: string;
  /** `BackendData`. */
  readonly data?: Json;
  /** `BackendV6Data`. */
  readonly v6Data?: Json;
}

export interface BackendNodesOptions {
  /** Backend type of the network config and of the leases. */
  readonly type: string;
  /** Type of the leases, where they carry another. */
  readonly leaseType?: string;
  /** What node `n` publishes. */
  readonly published?: (n: number) => Pick<LeaseText, 'data' | 'v6Data'>;
  /** The host of a context that brings none. */
  readonly netlink: () => RtNetlink;
}

export interface BackendNodes {
  networkConfig: (families?: Families, options?: Readonly<Record<string, Json>>) => NetworkConfig;
  lease: (text: LeaseText) => Lease;
  /** The lease of node `n`. */
  peer: (n: number, change?: LeaseText) => Lease;
  /** Ours, before anything is published. */
  readonly ownLease: Lease;
  context: (change?: Partial<BackendContext>) => BackendContext;
}

export function backendNodes({ type, leaseType = type, published, netlink }: BackendNodesOptions): BackendNodes {
  const networkConfig: BackendNodes['networkConfig'] = (families = 'dual', options = {}) => ({
    ipv4: families === 'ipv6' ? null : ipv4Family,
    ipv6: families === 'ipv4' ? null : ipv6Family,
    enableNFTables: false,
    backendType: type,
    backend: { Type: type, ...options },
  });
  const lease: BackendNodes['lease'] = (text) => leaseOf({ type: leaseType, ...text });
  return {
    networkConfig,
    lease,
    peer: (n, change = {}) =>
      lease({
        subnet: `10.5.${n}.0/24`,
        ipv6Subnet: `fc00:0:0:${n.toString(16)}::/64`,
        publicIP: `192.168.50.${n}`,
        publicIPv6: `fd00::${n.toString(16)}`,
        ...published?.(n),
        ...change,
      }),
    ownLease: lease({ subnet: '10.5.1.0/24', ipv6Subnet: 'fc00:0:0:1::/64', publicIP: '192.168.50.1' }),
    context: (change = {}) => ({
      config: networkConfig(),
      externalInterface: nodeInterface(),
      netlink: netlink(),
      identity: { node: 'node-1', machine: 'c0ffee' },
      clock: new FakeClock(),
      logger: silentLogger,
      ...change,
    }),
  };
}

function leaseOf(text: LeaseText & { readonly type: string }): Lease {
  const { subnet, ipv6Subnet, publicIP = '0.0.0.0', publicIPv6, type, node, data, v6Data } = text;
  return {
    subnet: subnet ? Ipv4Prefix.parse(subnet) : null,
    ipv6Subnet: ipv6Subnet ? Ipv6Prefix.parse(ipv6Subnet) : null,
    attrs: {
      publicIP: Ipv4Address.parse(publicIP),
      publicIPv6: publicIPv6 ? Ipv6Address.parse(publicIPv6) : null,
      backendType: type,
      ...(data !== undefined && { backendData: data }),
      ...(v6Data !== undefined && { backendV6Data: v6Data }),
      ...(node !== undefined && { owner: { node } }),
    },
    expiresAt: null,
    reservation: false,
    revision: '1',
  };
}

/** Our eth0. */
export function nodeInterface(change: Partial<ExternalInterface> = {}): ExternalInterface {
  const address = Ipv4Address.parse('192.168.50.1');
  const ipv6Address = Ipv6Address.parse('fd00::1');
  return {
    ifname: 'eth0',
    ifindex: 2,
    mtuBytes: 1500,
    address,
    ipv6Address,
    publicIP: address,
    publicIPv6: ipv6Address,
    pickedBy: 'test',
    ...change,
  };
}

/** A peer on our segment that answers. */
export const onLink: UnderlayRoute = { ifname: 'eth0', gateway: null, broadcast: true, neighbour: 'answers' };

/** Everybody is on the segment and answers, except for what `others` says. */
export function underlayFacts(others: Readonly<Record<string, UnderlayRoute | undefined>> = {}): UnderlayFacts {
  return { routeTo: (address) => (address.toString() in others ? others[address.toString()] : onLink) };
}

/** `CODE subject` of each finding. */
export function findingLines({ findings }: { readonly findings: readonly Finding[] }): string[] {
  return findings.map(({ code, subject }) => `${code} ${subject}`);
}

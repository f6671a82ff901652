import {
  emptyKernelState,
  otherBackendFindings,
  type DesiredRoute,
  type ExternalInterface,
  type IpAddress,
  type Lease,
  type NetworkConfig,
  type Plan,
  type PlanInput,
} from '@tartan/core';
import { peerRoutes, type PeerRoute } from './peer-route';
import { separatePeers } from './skipped-peers';

/** What the plan depends on besides its input; fixed while the backend runs. */
export interface PlanContext {
  readonly config: NetworkConfig;
  readonly externalInterface: ExternalInterface;
  /** Our own lease. */
  readonly lease: Lease;
}

/**
 * One route per peer and family. A peer that cannot be routed to is left out with a finding and does not disturb the others;
 * the two families of one peer are independent. The outcome does not depend on the order of the leases.
 */
export function planRoutes(context: PlanContext, { snapshot, underlay }: PlanInput): Plan {
  const { config, externalInterface } = context;
  const isOurs = (lease: Lease): boolean => lease.attrs.backendType === 'host-gw';
  const candidates = snapshot.leases.filter(isOurs).flatMap((lease) => peerRoutes(lease, config));
  const { usable, skipped } = separatePeers(candidates, context, underlay);
  return {
    desired: { ...emptyKernelState, routes: usable.map((route) => toDesired(route, externalInterface.ifname)) },
    ownership: { adoptRoutesVia: snapshot.leases.flatMap(gatewaysOfFlanneld), devices: [] },
    findings: [...otherBackendFindings(snapshot.leases.filter((lease) => !isOurs(lease))), ...skipped],
  };
}

function toDesired(
  { subnet, nextHop, peer }: PeerRoute & { readonly nextHop: IpAddress },
  ifname: string,
): DesiredRoute {
  return { dst: subnet, gateway: nextHop, ifname, peer };
}

/**
 * Next hops that flanneld may have used on this host: the peer's public address (host-gw, ipip, direct routing), and with vxlan
 * the first address of its subnet (flannel-compat 4.1). Its routes become ours: replaced in place, or removed.
 */
function gatewaysOfFlanneld({ subnet, ipv6Subnet, attrs: { publicIP, publicIPv6 } }: Lease): IpAddress[] {
  return [
    ...(publicIP.isUnspecified ? [] : [publicIP]),
    ...(publicIPv6 ? [publicIPv6] : []),
    ...(subnet ? [subnet.address] : []),
    ...(ipv6Subnet ? [ipv6Subnet.address] : []),
  ];
}

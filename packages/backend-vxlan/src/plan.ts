import {
  otherBackendFindings,
  type DesiredFdb,
  type DesiredNeighbour,
  type DesiredRoute,
  type Finding,
  type IpAddress,
  type KernelState,
  type Lease,
  type MacAddress,
  type Plan,
  type PlanInput,
  type UnderlayFacts,
} from '@tartan/core';
import { decideChecksums, type ChecksumDecision } from './checksum-offload';
import { desiredDevice, deviceSysctls } from './device';
import { directRoute } from './direct-routing';
import type { VxlanOptions } from './options';
import { peerOf, type UsablePeer } from './peer';
import { neighbourRoom, wantedEntries, type NeighbourLimits } from './preflight/neighbour-table';
import { separatePeers } from './separate-peers';
import type { Vtep } from './vtep';

/** Our end of the tunnels of one family with all that is settled by the time of start(). */
export interface SettledVtep extends Vtep {
  readonly mac: MacAddress;
  /** The lease's network address, which peers send to (flannel-compat 0.5). */
  readonly address: IpAddress;
}

/** What the plan depends on besides its input; fixed while the backend runs. */
export interface PlanContext {
  readonly options: VxlanOptions;
  readonly vteps: readonly SettledVtep[];
  /** Our own lease. */
  readonly lease: Lease;
  readonly hostHasIpv6: boolean;
  /** Of the families whose table can be seen from here. */
  readonly neighbourLimits: readonly NeighbourLimits[];
  /** What the start found out; repeated in every plan. */
  readonly findings: readonly Finding[];
}

/**
 * Per family our device and its address, and per peer three objects: how its address is called on the wire (neighbour), where that
 * lives (FDB), and the route to its subnet. A peer that cannot be programmed is left out with a finding. The outcome does not depend on
 * the order of the leases.
 */
export function planVxlan(context: PlanContext, { snapshot, underlay, evidence }: PlanInput): Plan {
  const ours = snapshot.leases.filter(({ attrs }) => attrs.backendType === 'vxlan');
  const others = snapshot.leases.filter(({ attrs }) => attrs.backendType !== 'vxlan');
  const { features, findings } = decideChecksums({
    option: context.options.txChecksumOffload,
    evidence,
    vteps: context.vteps,
  });
  const families = context.vteps.map((vtep) => planFamily(context, vtep, { leases: ours, underlay, features }));
  return {
    desired: merge(families.map(({ desired }) => desired)),
    ownership: {
      adoptRoutesVia: snapshot.leases.flatMap(gatewaysOfFlanneld),
      devices: context.vteps.map(({ ifname }) => ifname),
    },
    findings: [
      ...context.findings,
      ...findings,
      ...otherBackendFindings(others),
      ...families.flatMap((family) => family.findings),
    ],
  };
}

interface FamilyInput {
  readonly leases: readonly Lease[];
  readonly underlay: UnderlayFacts;
  readonly features: ChecksumDecision['features'];
}

function planFamily(
  { options, lease, hostHasIpv6, neighbourLimits }: PlanContext,
  vtep: SettledVtep,
  { leases, underlay, features }: FamilyInput,
): { readonly desired: KernelState; readonly findings: readonly Finding[] } {
  const candidates = leases.map((candidate) => peerOf(candidate, vtep)).filter((peer) => peer !== undefined);
  const { usable, skipped } = separatePeers(candidates, { vni: options.vni, lease, mac: vtep.mac });
  const direct = (peer: UsablePeer): DesiredRoute | undefined =>
    options.directRouting ? directRoute(peer, underlay) : undefined;
  const limits = neighbourLimits.find(({ family }) => family === vtep.family);
  const room = limits ? neighbourRoom(limits, wantedEntries(usable.length)) : [];
  return {
    desired: {
      links: [{ ...desiredDevice({ vtep, mac: vtep.mac, options, hostHasIpv6 }), ...(features && { features }) }],
      addresses: [{ ifname: vtep.ifname, address: vtep.address, prefixLength: vtep.family === 4 ? 32 : 128 }],
      neighbours: usable.map(neighbourOf),
      fdb: usable.map(fdbOf),
      routes: usable.map((peer) => direct(peer) ?? tunnelRoute(peer)),
      sysctls: [...deviceSysctls(vtep, hostHasIpv6), ...room],
    },
    findings: skipped,
  };
}

function neighbourOf({ name, vtep, subnet, device }: UsablePeer): DesiredNeighbour {
  return { ifname: vtep.ifname, address: subnet.address, mac: device.mac, peer: name };
}

function fdbOf({ name, vtep, device, remote }: UsablePeer): DesiredFdb {
  return { ifname: vtep.ifname, mac: device.mac, dst: remote, peer: name };
}

/** The gateway is the peer's network address; onlink, since no address of ours makes it reachable (flannel-compat 4.1). */
function tunnelRoute({ name, vtep, subnet }: UsablePeer): DesiredRoute {
  return { dst: subnet, gateway: subnet.address, ifname: vtep.ifname, onlink: true, peer: name };
}

function merge(states: readonly KernelState[]): KernelState {
  return {
    links: states.flatMap(({ links }) => links),
    addresses: states.flatMap(({ addresses }) => addresses),
    routes: states.flatMap(({ routes }) => routes),
    neighbours: states.flatMap(({ neighbours }) => neighbours),
    fdb: states.flatMap(({ fdb }) => fdb),
    sysctls: states.flatMap(({ sysctls }) => sysctls),
  };
}

/**
 * Next hops that flanneld may have used on this host besides our devices: the peer's public address (host-gw, ipip, direct routing).
 * Its routes become ours: replaced in place, or removed.
 */
function gatewaysOfFlanneld({ attrs: { publicIP, publicIPv6 } }: Lease): IpAddress[] {
  return [...(publicIP.isUnspecified ? [] : [publicIP]), ...(publicIPv6 ? [publicIPv6] : [])];
}

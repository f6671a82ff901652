import type { ExternalInterface } from '../iface';
import type { IpAddress, IpFamily, IpPrefix } from '../ip';
import type { Lease } from '../lease/lease';
import { ROUTE_PROTOCOL, type Route } from '../netlink';
import type { Finding } from '../reconcile';

/*
 * Networks of this host that share addresses with the overlay. Both would want the same packets; the kernel gives them to the
 * longer prefix, so some pods, or some hosts, cannot be reached from here. Only connected networks count (those the kernel made a
 * route for because an interface has an address there): other routes inside the overlay are judged by the reconciler as they come.
 */

/** An overlay network, and our own device in it. */
export interface OverlayDevice {
  readonly family: IpFamily;
  readonly network: IpPrefix;
  readonly ifname: string;
}

export interface OverlapInput {
  /** One per family. */
  readonly overlays: readonly OverlayDevice[];
  readonly lease: Lease;
  readonly externalInterface: ExternalInterface;
  /** Of the main table: those that the kernel made are enough. */
  readonly routes: readonly Route[];
  readonly linkName: (ifindex: number) => string;
}

/** NETWORK_OVERLAP for each such network. */
export function overlapFindings(input: OverlapInput): Finding[] {
  return input.overlays.flatMap((overlay) => [
    ...ownAddressFinding(input, overlay),
    ...connectedFindings(input, overlay),
  ]);
}

/** Packets of the tunnel itself would go into the tunnel. */
function ownAddressFinding({ externalInterface }: OverlapInput, { family, network }: OverlayDevice): Finding[] {
  const { ifname, address, ipv6Address } = externalInterface;
  const own: IpAddress | null = family === 4 ? address : ipv6Address;
  if (!own || !network.contains(own)) return [];
  return [
    {
      severity: 'error',
      code: 'NETWORK_OVERLAP',
      subject: `${ifname} ${own.toString()}`,
      message: `the external interface's own address lies inside of the overlay network ${network.toString()}`,
      cure: 'Choose an overlay network that no host uses, or another interface with --iface.',
    },
  ];
}

function connectedFindings(
  { lease, routes, linkName, overlays }: OverlapInput,
  { family, network }: OverlayDevice,
): Finding[] {
  const own = family === 4 ? lease.subnet : lease.ipv6Subnet;
  const devices = new Set(overlays.map(({ ifname }) => ifname));
  return routes
    .filter((route) => isConnected(route) && network.overlaps(route.dst) && own?.contains(route.dst) !== true)
    .map((route) => ({ route, ifname: linkName(route.oif as number) }))
    .filter(({ ifname }) => !devices.has(ifname))
    .map(({ route, ifname }) => connectedFinding(network.toString(), route, ifname));
}

function isConnected({ protocol, type, oif, dst }: Route): boolean {
  return protocol === ROUTE_PROTOCOL.kernel && type === 'unicast' && oif !== undefined && dst.length > 0;
}

function connectedFinding(network: string, { dst }: Route, ifname: string): Finding {
  return {
    severity: 'warning',
    code: 'NETWORK_OVERLAP',
    subject: `${ifname} ${dst.toString()}`,
    message: `the network of ${ifname} and the overlay network ${network} share addresses: pods or hosts in both cannot be reached`,
    cure: `Choose another overlay network; or, if the address on ${ifname} is a leftover of a container bridge, delete that bridge.`,
  };
}

import type { Ipv4Address, Ipv6Address } from '../ip';

/** The interface that carries traffic between hosts, as chosen at start. */
export interface ExternalInterface {
  readonly ifname: string;
  readonly ifindex: number;
  /** Underlay MTU. */
  readonly mtuBytes: number;
  /** Addresses on the interface; null for a family that is off. */
  readonly address: Ipv4Address | null;
  readonly ipv6Address: Ipv6Address | null;
  /** Addresses that peers send to; differ from the above behind NAT. */
  readonly publicIP: Ipv4Address | null;
  readonly publicIPv6: Ipv6Address | null;
  /** Which rule picked it, for status and logs: `--iface eth1`, `default route`, ... */
  readonly pickedBy: string;
}

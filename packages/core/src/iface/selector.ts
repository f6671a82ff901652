import type { Ipv4Address, Ipv6Address } from '../ip';
import type { RtNetlink } from '../netlink';
import type { InterfaceCandidate, InterfaceInventory } from './interface-inventory';

/** The families of the network config; at least one is true. */
export interface InterfaceFamilies {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** What a selector looks at. */
export interface SelectionScene {
  readonly inventory: InterfaceInventory;
  readonly families: InterfaceFamilies;
  readonly netlink: RtNetlink;
}

/** An interface, with the addresses that the rule itself names; the others are filled in afterwards. */
export interface InterfacePick {
  readonly candidate: InterfaceCandidate;
  readonly ipv4?: Ipv4Address;
  readonly ipv6?: Ipv6Address;
}

export interface Rejection {
  readonly rejected: string;
}

export type SelectorOutcome = InterfacePick | Rejection;

/** One rule of the order in flannel-compat 6.2. */
export interface InterfaceSelector {
  /** As the operator wrote it: `--iface eth1`, `default route`. */
  readonly name: string;
  pick(scene: SelectionScene): SelectorOutcome | Promise<SelectorOutcome>;
}

export function isRejection(outcome: object): outcome is Rejection {
  return 'rejected' in outcome;
}

import type { IpAddress, IpFamily, IpPrefix } from '../ip';
import type { Finding } from '../reconcile';
import type { TrafficMode } from './choose-mode';

/*
 * Masquerade and forward rules. The caller states what the node is part of; which rules follow is computed (rules/plan-rules.ts), and the
 * packet filter is kept that way, through nftables or iptables, whatever else happens to it.
 */

/** One family of the overlay on this node. */
export interface FamilyTraffic {
  /** All pods. */
  readonly network: IpPrefix;
  /** The pods of this node. */
  readonly subnet: IpPrefix;
}

/** Everything that the rules depend on and that may change; whole-set, so that stating it again changes nothing. */
export interface DesiredTraffic {
  /** null: the family is off. */
  readonly ipv4: FamilyTraffic | null;
  readonly ipv6: FamilyTraffic | null;
  /** `EnableNFTables` of the network config. */
  readonly enableNFTables: boolean;
  /** Of all nodes, both families; needed only with `masqueradeNodeTraffic: false`. */
  readonly nodeAddresses: readonly IpAddress[];
  /** External interfaces over which overlay traffic comes in. Checked for strict rp_filter. */
  readonly interfaces: readonly string[];
  /** Devices of the backend's own, checked likewise; one that does not exist (yet) is no finding. */
  readonly devices: readonly string[];
}

/** What the operator chose; constant for the life of the daemon. */
export interface TrafficPolicy {
  /** --ip-masq */
  readonly masquerade: boolean;
  /** Off with --ip-masq-fully-random-disable. */
  readonly fullyRandom: boolean;
  /** --iptables-forward-rules */
  readonly forward: boolean;
  /** --non-masquerade-cidrs, both families. */
  readonly nonMasqueradeCidrs: readonly IpPrefix[];
  /** --masq-node-traffic */
  readonly masqueradeNodeTraffic: boolean;
}

export interface TrafficFamilyStatus {
  readonly family: IpFamily;
  readonly network: string;
  /** How many rules of ours there are, by chain. */
  readonly masquerade: number;
  readonly forward: number;
  /** Why they are not in force; null when they are. */
  readonly problem: string | null;
}

export interface TrafficStatus {
  /** null before the first choice. */
  readonly mode: TrafficMode | null;
  /** True while everything that was stated last is in force and nothing of ours is left elsewhere. */
  readonly synced: boolean;
  /** True once one pass over stated rules has ended, whatever it could do. */
  readonly firstPassDone: boolean;
  readonly passes: number;
  readonly families: readonly TrafficFamilyStatus[];
  /** What is in the way of being synced, in words; null when nothing is. */
  readonly problem: string | null;
  readonly findings: readonly Finding[];
}

export interface TrafficManager {
  /** Everything that must hold from now on. Starts a pass. Before the first call nothing is read, changed or deleted. */
  setRules(desired: DesiredTraffic): void;
  /** Asks for a pass soon. */
  requestPass(): void;
  /** Works until the signal aborts, then resolves; rules stay, so that traffic goes on. Call it once. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves as soon as `status().synced` is true; rejects with the signal's reason. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  status(): TrafficStatus;
}

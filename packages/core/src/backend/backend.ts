import type { NetworkConfig } from '../config';
import type { FirewallAccess } from '../firewall';
import type { ExternalInterface } from '../iface';
import type { IpAddress } from '../ip';
import type { Json, Lease, LeaseSnapshot, OwnerIdentity } from '../lease/lease';
import type { Link, RtNetlink } from '../netlink';
import type { Finding, KernelState, Ownership } from '../reconcile';
import type { Clock, Logger } from '../runtime';

/** What a backend can do; code and tests branch on these, never on a backend's name. */
export interface BackendCapabilities {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Peers must be on the same segment. */
  readonly needsSameL2: boolean;
  /** The published address must be the interface's own (no NAT between hosts). */
  readonly needsOwnPublicIP: boolean;
  /** A restart of the daemon loses no packet. */
  readonly hitlessRestart: boolean;
  /** plan() wants to know the kernel's route to each peer: `input.underlay` is filled in. */
  readonly underlayFacts: boolean;
}

/** Everything a backend may use; all effects come in here. */
export interface BackendContext {
  readonly config: NetworkConfig;
  readonly externalInterface: ExternalInterface;
  readonly netlink: RtNetlink;
  /** Who this node is; stable over restarts. */
  readonly identity: OwnerIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How the host's packet filter is read; absent where there is none. */
  readonly firewall?: FirewallAccess;
  /** Absent: nothing may be kept. */
  readonly resume?: ResumePlace;
}

/** Where a backend may keep what the next process of this daemon goes on with at once, before it knows anything else. */
export interface ResumePlace {
  /** A file of this daemon's alone; its directory may be missing. */
  readonly path: string;
  /** Stands for the options that this process was started with. */
  readonly startedWith: string;
}

/** What the node publishes with its lease. */
export interface BackendPublication {
  readonly backendType: string;
  readonly backendData?: Json;
  readonly backendV6Data?: Json;
}

/** The kernel's answer to "how would a packet reach this underlay address". */
export interface UnderlayRoute {
  readonly ifname: string;
  /** null: on-link. */
  readonly gateway: IpAddress | null;
  /** The link resolves neighbours (Ethernet); false for tunnels and point-to-point links. */
  readonly broadcast: boolean;
  /** Whether the address itself, on-link, answers to ARP or ND; undefined: not known (yet), or not asked for. */
  readonly neighbour?: 'answers' | 'silent';
}

/** Facts gathered before plan(), so that plan() can stay pure. */
export interface UnderlayFacts {
  /** undefined: no route, or the backend did not ask for facts. */
  routeTo(address: IpAddress): UnderlayRoute | undefined;
}

/** What was seen to be wrong between the hosts, by a prober for instance. It counts until the process ends. */
export interface DataPathEvidence {
  /** Packets reach peers with wrong checksums. In words for the operator: who saw what, towards which peer. */
  readonly brokenTxChecksums?: string;
}

export interface PlanInput {
  readonly snapshot: LeaseSnapshot;
  readonly underlay: UnderlayFacts;
  /** Absent: nothing was seen. */
  readonly evidence?: DataPathEvidence;
}

/** The outcome of plan(): what must exist, what is ours, and what the operator should know. */
export interface Plan {
  readonly desired: KernelState;
  readonly ownership: Omit<Ownership, 'routeProtocol' | 'networks'>;
  /** Skipped peers and the like, one per subject. */
  readonly findings: readonly Finding[];
  /** Made from remembered peers: missing objects are added, present ones are neither replaced nor deleted. Set by the controller. */
  readonly addOnly?: boolean;
  /** What the backend's own data path is programmed with. Whoever stands between keeps it as it is and does not look inside. */
  readonly dataPath?: unknown;
}

/** Counters since the daemon's start; they only grow. Packets and bytes are those of the pods, without any encapsulation. */
export interface DataPathCounters {
  readonly txPackets: bigint;
  readonly txBytes: bigint;
  readonly rxPackets: bigint;
  readonly rxBytes: bigint;
  /** Calls or batches that moved them, by name: how well packets were carried together. */
  readonly operations: Readonly<Record<string, bigint>>;
  /** Dropped packets by cause. */
  readonly drops: Readonly<Record<string, bigint>>;
}

export interface DataPathFeature {
  readonly name: string;
  readonly on: boolean;
  /** Why it is off. */
  readonly reason?: string;
}

export interface DataPathStatus {
  /** What it is, for the operator: `packet loop`. */
  readonly name: string;
  readonly running: boolean;
  readonly features: readonly DataPathFeature[];
  readonly counters: DataPathCounters;
  /** Absent where it carries all packets itself. */
  readonly bypass?: DataPathBypass;
}

/** What carries packets past a data path, such as programs in the kernel. Its packets are not in the counters of the data path. */
export interface DataPathBypass {
  /** For the operator: `kernel path`. */
  readonly name: string;
  /** Prefixes of the peers that are reached so. */
  readonly peers: readonly string[];
  readonly txPackets: bigint;
  readonly txBytes: bigint;
  readonly rxPackets: bigint;
  readonly rxBytes: bigint;
  /** Packets that it left to the data path, by cause. */
  readonly left: Readonly<Record<string, bigint>>;
  /** Dropped packets by cause. */
  readonly drops: Readonly<Record<string, bigint>>;
}

/**
 * What carries packets besides the kernel's own tables, such as a packet loop in user space. It is programmed with each plan before
 * the kernel's tables are, so that no packet comes to it for a peer that it does not know; whatever fails is shown and tried
 * again like a plan that cannot be made, and the last good plan stays in force.
 */
export interface DataPath {
  /** Brings it up where it is not, and to this plan: a whole set, so that repeating it changes nothing. Never called twice at once. */
  program(plan: Plan): Promise<void>;
  /** `onDrift` is called when what was programmed is gone and program() is needed again; nothing is called after close(). */
  watch(onDrift: () => void): { close(): void };
  /** Cheap: asked at each scrape. */
  status(): DataPathStatus;
}

/** A running backend. */
export interface BackendNetwork {
  /** MTU for pods, bytes; goes to subnet.env. */
  readonly mtuBytes: number;
  /**
   * How much of `input.underlay` plan() looks at: nothing, the routes, or also whether on-link peers answer. Looking costs: one
   * look-up per peer, and one ARP or ND exchange. `routes` unless told; nothing without the capability underlayFacts.
   */
  readonly underlayInterest?: 'none' | 'routes' | 'neighbours';
  /**
   * Pure: the same input gives an equal plan; no I/O, no clock, no random. Called for every snapshot and whenever underlay
   * facts or evidence change.
   */
  plan(input: PlanInput): Plan;
  /** Absent where the kernel alone carries the packets. */
  readonly dataPath?: DataPath;
  /**
   * What on this host, as of now, is in the way of the peers of `snapshot` although everything planned is there: an overlapping network,
   * a firewall. Reads, changes nothing. Called after the first plan, after changes of the host's networks, and every minute; each
   * answer takes the place of the one before. One call at a time. When it rejects, the last answer stands.
   */
  inspect?(snapshot: LeaseSnapshot, signal: AbortSignal): Promise<readonly Finding[]>;
  /** Releases what the backend itself holds (threads, sockets). Kernel objects stay, so that traffic goes on. Idempotent. */
  close(): Promise<void>;
}

/** One way of carrying packets between hosts, for one network. */
export interface Backend {
  /** Before the lease: checks and devices that must exist to know what to publish. Errors: BACKEND_*. Repeatable. */
  prepare(signal: AbortSignal): Promise<BackendPublication>;
  /** With the lease in hand. Call after prepare. */
  start(lease: Lease, signal: AbortSignal): Promise<BackendNetwork>;
}

/** Something of a backend's in the kernel that is neither device nor route of the plan. */
export interface Leftover {
  /** For the operator: `tc program tartan-udp:flannel0:uplink_ingress:… on eth0`. */
  readonly text: string;
  /** Nothing happens when it is gone. Rejects with KERNEL_REFUSED. */
  remove(): Promise<void>;
}

/** What a backend package exports as `backend`. */
export interface BackendModule {
  /** Value of Backend.Type, lower case. */
  readonly type: string;
  readonly capabilities: BackendCapabilities;
  /** Contract version that the module was written for; BACKEND_CONTRACT_VERSION of this build must equal it. */
  readonly contractVersion: number;
  create(context: BackendContext): Backend;
  /**
   * Reads the backend's own members of `config.backend`. Pure. Throws CONFIG_INVALID, returns warnings in words. `tartanctl check-config`
   * asks it, so that a mistake is told before the config is written; without it only `create` and `prepare` find one.
   */
  checkConfig?(config: NetworkConfig): readonly string[];
  /**
   * Whether this looks like a device that the backend makes, by kind and name. Pure. `tartand --cleanup` removes such devices, within the
   * networks that are this daemon's where those are known. Without it the backend leaves none behind.
   */
  isOwnDevice?(link: Pick<Link, 'name' | 'kind'>): boolean;
  /**
   * What `tartand --cleanup` removes besides devices and routes, in the order in which it has to go. Not asked when a device of the
   * backend belongs to another daemon. Changes nothing itself.
   */
  leftovers?(netlink: RtNetlink): Promise<readonly Leftover[]>;
}

/** Raised whenever a change of this file could break a third-party backend. */
export const BACKEND_CONTRACT_VERSION = 1;

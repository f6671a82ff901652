import type { UnderlayRoute } from '../backend';
import type { IpAddress } from '../ip';
import { NEIGHBOUR_STATE, type KernelEvent, type KernelOp, type RtNetlink } from '../netlink';

/*
 * Do peers answer on the segment that the kernel takes them to be on? The kernel's neighbour entries tell: one that was resolved
 * is proof, one that failed says that nobody is there under this address. Where there is no entry we have the kernel ask, by
 * using the neighbour as a packet would; the answer comes as a notification.
 *
 * Entries of idle peers are thrown out by the kernel when its table is full, so a verdict holds until the opposite is known. Silent peers
 * are asked again at each look; a host that is down costs three ARP requests a minute.
 */

export type NeighbourVerdict = NonNullable<UnderlayRoute['neighbour']>;

/** A peer's address and the interface that it is said to be on. */
export interface OnLinkPeer {
  readonly address: IpAddress;
  readonly ifindex: number;
}

const { reachable, stale, delay, probe, noarp, permanent, failed } = NEIGHBOUR_STATE;
const RESOLVED = reachable | stale | delay | probe | noarp | permanent;

export class UnderlayNeighbours {
  private peers: ReadonlyMap<string, OnLinkPeer> = new Map();
  private readonly verdicts = new Map<string, NeighbourVerdict>();

  /** These are the peers from now on. Rejects with KERNEL_REFUSED or KERNEL_SOCKET when the kernel cannot be read. */
  async look(netlink: RtNetlink, peers: readonly OnLinkPeer[]): Promise<void> {
    this.peers = new Map(peers.map((peer) => [keyOf(peer), peer]));
    for (const key of this.verdicts.keys()) if (!this.peers.has(key)) this.verdicts.delete(key);
    const interfaces = [...new Set(peers.map(({ ifindex }) => ifindex))];
    const entries = await Promise.all(interfaces.map((ifindex) => netlink.listNeighbours({ ifindex })));
    for (const entry of entries.flat()) this.judge(keyOf(entry), entry.state);
    const unproven = peers.filter((peer) => this.verdict(peer) !== 'answers');
    // What cannot be asked stays unproven.
    if (unproven.length > 0) await netlink.apply(unproven.map(probeOp));
  }

  /** undefined: not known yet. */
  verdict(peer: OnLinkPeer): NeighbourVerdict | undefined {
    return this.verdicts.get(keyOf(peer));
  }

  /** True when the event changes a verdict. */
  concerns(event: KernelEvent): boolean {
    if (event.type !== 'neighbour' || event.action === 'del') return false;
    const key = keyOf(event.neighbour);
    const before = this.verdicts.get(key);
    this.judge(key, event.neighbour.state);
    return this.verdicts.get(key) !== before;
  }

  private judge(key: string, state: number): void {
    if (!this.peers.has(key)) return;
    if ((state & RESOLVED) !== 0) this.verdicts.set(key, 'answers');
    else if ((state & failed) !== 0) this.verdicts.set(key, 'silent');
  }
}

function keyOf({ ifindex, address }: OnLinkPeer): string {
  return `${ifindex} ${address.toString()}`;
}

function probeOp({ ifindex, address }: OnLinkPeer): KernelOp {
  return { op: 'neighbour-probe', neighbour: { ifindex, address } };
}

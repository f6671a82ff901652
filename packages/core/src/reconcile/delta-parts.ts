import type { IpAddress } from '../ip';
import type { KernelOp, Link } from '../netlink';
import type { ActualState } from './actual-state';
import type { DesiredIndex } from './desired-index';
import type { Finding } from './kernel-state';
import type { InPlace } from './plan-sieve';
import type { ProtocolName } from './route-protocol';
import type { LinkName } from './route-text';

export type ObjectKind = 'link' | 'feature' | 'address' | 'neighbour' | 'fdb' | 'route';

/** One operation and what it is about. */
export interface PlannedOp {
  readonly op: KernelOp;
  readonly kind: ObjectKind;
  /** Same for the same object in every pass, whatever the interface's index. */
  readonly key: string;
  /** For logs and findings: `route 10.5.2.0/24 (peer 192.0.2.7)`. */
  readonly subject: string;
  /** The interface that the object needs, where it needs one. */
  readonly ifname?: string;
}

/** An object that cannot be made before its interface is there and up. */
export interface WaitingObject {
  readonly key: string;
  readonly ifname: string;
  readonly reason: 'missing' | 'down';
}

/** What each kind's part of the delta sees. */
export interface DeltaContext {
  readonly index: DesiredIndex;
  readonly actual: ActualState;
  /** What was found to be as desired while the kernel was read; `actual` is without it. */
  readonly inPlace: InPlace;
  readonly linkByName: ReadonlyMap<string, Link>;
  readonly linkName: LinkName;
  readonly protocolName: ProtocolName;
}

/** What each kind's part of the delta finds. */
export interface KindDelta {
  readonly adds: readonly PlannedOp[];
  readonly deletes: readonly PlannedOp[];
  readonly waiting: readonly WaitingObject[];
  readonly findings: readonly Finding[];
  readonly blocked?: readonly string[];
}

/** An interface that can carry objects now, or why not. */
export function usableLink(
  context: Pick<DeltaContext, 'linkByName'>,
  ifname: string,
): { readonly link: Link } | { readonly reason: 'missing' | 'down' } {
  const link = context.linkByName.get(ifname);
  if (!link) return { reason: 'missing' };
  return link.up ? { link } : { reason: 'down' };
}

/** True when both are absent or both are the same address. */
export function sameAddress(a: IpAddress | undefined, b: IpAddress | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

/** ` (peer 192.0.2.7)`, or nothing where the object belongs to no peer. */
export function peerText(object: { readonly peer?: string }): string {
  return object.peer === undefined ? '' : ` (peer ${object.peer})`;
}

import type { KernelOp, LinkChange, LinkSpec } from '@tartan/core';
import { encodeAddressDelete, encodeAddressReplace } from './codec/address-codec';
import { encodeAddrGenMode, encodeLinkChange, encodeLinkCreate, encodeLinkDelete } from './codec/link-codec';
import {
  encodeFdbDelete,
  encodeFdbReplace,
  encodeNeighbourDelete,
  encodeNeighbourProbe,
  encodeNeighbourReplace,
} from './codec/neighbour-codec';
import { encodeRoute, encodeRouteDelete } from './codec/route-requests';
import { errnoNumber } from './errno';
import type { RequestBatch } from './request-batch';

/** inet6_set_link_af() on a host without IPv6: then there is nothing that the mode could govern. */
const NO_IPV6 = errnoNumber('EAFNOSUPPORT');

/** What rtnetlink itself carries out. */
export type RtnetlinkOp = Exclude<KernelOp, { readonly op: 'link-features' }>;

/** Writes the message or messages of one op. What a new link needs once it exists comes from encodeFollowUp. */
export function encodeOp(batch: RequestBatch, op: RtnetlinkOp): void {
  const { writer } = batch;
  switch (op.op) {
    case 'link-create':
      encodeLinkCreate(writer, op.link, batch.next());
      break;
    case 'link-change':
      encodeChange(batch, op.ifindex, op.change);
      break;
    case 'link-delete':
      encodeLinkDelete(writer, op.ifindex, batch.next());
      break;
    case 'address-replace':
      encodeAddressReplace(writer, op.address, batch.next());
      break;
    case 'address-delete':
      encodeAddressDelete(writer, op.address, batch.next());
      break;
    case 'route-add':
      encodeRoute(writer, op.route, 'add', batch.next());
      break;
    case 'route-replace':
      encodeRoute(writer, op.route, 'replace', batch.next());
      break;
    case 'route-delete':
      encodeRouteDelete(writer, op.route, batch.next());
      break;
    case 'neighbour-replace':
      encodeNeighbourReplace(writer, op.neighbour, batch.next());
      break;
    case 'neighbour-delete':
      encodeNeighbourDelete(writer, op.neighbour, batch.next());
      break;
    case 'neighbour-probe':
      encodeNeighbourProbe(writer, op.neighbour, batch.next());
      break;
    case 'fdb-replace':
      encodeFdbReplace(writer, op.fdb, batch.next());
      break;
    case 'fdb-delete':
      encodeFdbDelete(writer, op.fdb, batch.next());
      break;
  }
}

/**
 * True when the op has a second part that may run only after the first succeeded: it names the new link by its name, which would
 * be a stranger's if the name was taken.
 */
export function hasFollowUp(op: RtnetlinkOp): op is RtnetlinkOp & { readonly op: 'link-create' } {
  return op.op === 'link-create' && op.link.addrGenMode !== undefined;
}

/** addr_gen_mode before up, so that no link-local address appears that was not wanted. */
export function encodeFollowUp(batch: RequestBatch, link: LinkSpec): void {
  const target = { ifname: link.name };
  encodeAddrGenMode(batch.writer, target, link.addrGenMode ?? 0, batch.nextUnless(NO_IPV6));
  if (link.up) encodeLinkChange(batch.writer, target, { up: true }, batch.next());
}

/**
 * The tunnel's parameters go by themselves: vxlan_nl2conf() refuses a message that also changes the MTU ("Cannot change mtu"), and
 * they go first, since the lower device limits the MTU (drivers/net/vxlan/vxlan_core.c, v6.1).
 */
function encodeChange(batch: RequestBatch, ifindex: number, change: LinkChange): void {
  const { addrGenMode, vxlan, ...rest } = change;
  if (addrGenMode !== undefined) encodeAddrGenMode(batch.writer, { ifindex }, addrGenMode, batch.nextUnless(NO_IPV6));
  if (vxlan !== undefined) encodeLinkChange(batch.writer, { ifindex }, { vxlan }, batch.next());
  if ((addrGenMode ?? vxlan) === undefined || Object.keys(rest).length > 0) {
    encodeLinkChange(batch.writer, { ifindex }, rest, batch.next());
  }
}

import type { KernelEvent, KernelEventGroup } from '@tartan/core';
import { decodeAddress } from './codec/address-codec';
import { RTM, RTNLGRP } from './codec/constants';
import { decodeLink, tellsOfFeatures } from './codec/link-codec';
import type { MessageCursor } from './codec/message-reader';
import { decodeFdb, decodeNeighbour } from './codec/neighbour-codec';
import { decodeRoute } from './codec/route-codec';

/** The multicast groups that make up a group of the contract. */
export const multicastGroups: Readonly<Record<KernelEventGroup, readonly number[]>> = {
  link: [RTNLGRP.link],
  address: [RTNLGRP.ipv4Address, RTNLGRP.ipv6Address],
  route: [RTNLGRP.ipv4Route, RTNLGRP.ipv6Route],
  neighbour: [RTNLGRP.neighbour],
};

/** Undefined for messages that tell nothing of what the contract knows: port information of bridges, cached routes, ... */
export function decodeEvent(message: MessageCursor): KernelEvent | undefined {
  const { type, view, start, end } = message;
  switch (type) {
    case RTM.newLink:
    case RTM.delLink: {
      const link = decodeLink(view, start, end);
      const featuresChanged = tellsOfFeatures(view, start, end);
      const action = type === RTM.newLink ? 'new' : 'del';
      return link && { type: 'link', action, link, ...(featuresChanged && { featuresChanged }) };
    }
    case RTM.newAddress:
    case RTM.delAddress: {
      const address = decodeAddress(view, start, end);
      return address && { type: 'address', action: type === RTM.newAddress ? 'new' : 'del', address };
    }
    case RTM.newRoute:
    case RTM.delRoute: {
      const route = decodeRoute(view, start, end);
      return route && { type: 'route', action: type === RTM.newRoute ? 'new' : 'del', route };
    }
    case RTM.newNeighbour:
    case RTM.delNeighbour:
      return neighbourEvent(message, type === RTM.newNeighbour ? 'new' : 'del');
    default:
      return undefined;
  }
}

function neighbourEvent({ view, start, end }: MessageCursor, action: 'new' | 'del'): KernelEvent | undefined {
  const neighbour = decodeNeighbour(view, start, end);
  if (neighbour) return { type: 'neighbour', action, neighbour };
  const fdb = decodeFdb(view, start, end);
  return fdb && { type: 'fdb', action, fdb };
}

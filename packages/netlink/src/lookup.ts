import { isTartanError, type IpAddress, type Route } from '@tartan/core';
import { decodeAck } from './codec/ack';
import { NLMSG, RTM } from './codec/constants';
import type { MessageCursor } from './codec/message-reader';
import { decodeRoute } from './codec/route-codec';
import { encodeRouteLookup } from './codec/route-requests';
import type { Connection } from './connection';
import { errnoNumber, kernelRefused } from './errno';

/** inet_rtm_getroute() answers in a buffer of NLMSG_GOODSIZE, a page, whatever it puts there (net/ipv4/route.c, v6.1). */
const ANSWER_BYTES = 5_120;
const SEND_MAX = 512;
const OVERRUN_MAX = 3;

/**
 * "There is no way": nothing matches; blackhole; unreachable; prohibit; throw. An EINVAL with a text is not among them: then
 * the kernel objects to the request.
 */
const noRoute = new Set((['ENETUNREACH', 'EINVAL', 'EHOSTUNREACH', 'EACCES', 'EAGAIN'] as const).map(errnoNumber));
const nowhere = new Set<string>(['blackhole', 'unreachable', 'prohibit', 'throw']);

/** One route or undefined per destination, in order. Rejects with KERNEL_REFUSED or KERNEL_SOCKET. */
export function lookupRoutes(
  connection: Connection,
  destinations: readonly IpAddress[],
): Promise<(Route | undefined)[]> {
  return connection.exclusive('route lookup', async () => {
    const routes: (Route | undefined)[] = [];
    for (let overruns = 0; routes.length < destinations.length;) {
      const { receiveBufferBytes } = connection.open('route lookup');
      const room = Math.max(1, Math.floor((receiveBufferBytes * 3) / 4 / ANSWER_BYTES) >> (2 * overruns));
      const some = destinations.slice(routes.length, routes.length + Math.min(SEND_MAX, room));
      try {
        routes.push(...(await lookupSome(connection, some)));
      } catch (error) {
        const overrun = isTartanError(error, 'KERNEL_SOCKET') && error.data.errnoName === 'ENOBUFS';
        if (!overrun || ++overruns > OVERRUN_MAX) throw error;
      }
    }
    return routes;
  });
}

async function lookupSome(connection: Connection, some: readonly IpAddress[]): Promise<(Route | undefined)[]> {
  const routes = new Array<Route | undefined>(some.length).fill(undefined);
  const first = connection.start();
  for (const address of some) encodeRouteLookup(connection.writer, address, connection.nextSequence());
  await connection.exchange('route lookup', first, (message) => {
    const place = message.sequence - first;
    routes[place] = answer(message, some[place] as IpAddress);
    return place === some.length - 1;
  });
  return routes;
}

function answer(message: MessageCursor, address: IpAddress): Route | undefined {
  if (message.type === RTM.newRoute) {
    const route = decodeRoute(message.view, message.start, message.end, true);
    return route && nowhere.has(route.type) ? undefined : route;
  }
  if (message.type !== NLMSG.error) return undefined;
  const { errno, extendedAck, offset } = decodeAck(message);
  if (errno === 0 || (noRoute.has(errno) && extendedAck === undefined)) return undefined;
  throw kernelRefused(`route lookup ${address.toString()}`, errno, extendedAck, offset);
}

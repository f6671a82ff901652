import { ROUTE_PROTOCOL } from '../netlink';

/**
 * RTPROT value of the routes Tartan makes. It tells ours from everybody else's in `ip route`. Free in
 * include/uapi/linux/rtnetlink.h (v6.1) and in iproute2's etc/iproute2/rt_protos (v6.1); deploy/ registers the name `tartan`.
 */
export const ROUTE_PROTOCOL_TARTAN = 158;

/** RTPROT_* of include/uapi/linux/rtnetlink.h (v6.1) in iproute2's spelling. */
const wellKnown: ReadonlyMap<number, string> = new Map([
  [ROUTE_PROTOCOL.unspec, 'unspec'],
  [ROUTE_PROTOCOL.redirect, 'redirect'],
  [ROUTE_PROTOCOL.kernel, 'kernel'],
  [ROUTE_PROTOCOL.boot, 'boot'],
  [ROUTE_PROTOCOL.static, 'static'],
  [8, 'gated'],
  [ROUTE_PROTOCOL.ra, 'ra'],
  [10, 'mrt'],
  [11, 'zebra'],
  [12, 'bird'],
  [13, 'dnrouted'],
  [14, 'xorp'],
  [15, 'ntk'],
  [ROUTE_PROTOCOL.dhcp, 'dhcp'],
  [17, 'mrouted'],
  [18, 'keepalived'],
  [42, 'babel'],
  [84, 'ovn'],
  [99, 'openr'],
  [ROUTE_PROTOCOL_TARTAN, 'tartan'],
  [186, 'bgp'],
  [187, 'isis'],
  [188, 'ospf'],
  [189, 'rip'],
  [192, 'eigrp'],
]);

/** The name of a route protocol number; the number itself as text when it has none. */
export type ProtocolName = (protocol: number) => string;

/**
 * Names from the built-in table and the given contents of /etc/iproute2/rt_protos and rt_protos.d/*.conf, later ones win.
 * Lines that do not parse are ignored, as iproute2 does.
 */
export function createProtocolNames(files: readonly string[] = []): ProtocolName {
  const names = new Map(wellKnown);
  for (const line of files.flatMap((text) => text.split('\n'))) {
    const match = /^\s*(0x[0-9a-f]+|\d+)\s+([^\s#]+)/i.exec(line);
    if (match) names.set(Number(match[1]), match[2] as string);
  }
  return (protocol) => names.get(protocol) ?? String(protocol);
}

/** Who usually makes routes with this protocol, for findings: a guess that points the operator somewhere. */
export function routeMaker(protocol: number, name: ProtocolName): string {
  switch (protocol) {
    case ROUTE_PROTOCOL.kernel:
      return 'the kernel, for an address on that interface';
    case ROUTE_PROTOCOL.boot:
      return 'an "ip route" command in a script or by hand';
    case ROUTE_PROTOCOL.static:
      return 'an administrator or a network manager';
    case ROUTE_PROTOCOL.dhcp:
      return 'a DHCP client';
    case ROUTE_PROTOCOL.ra:
      return 'an IPv6 router advertisement';
    case ROUTE_PROTOCOL_TARTAN:
      return 'another Tartan daemon on this host';
    default:
      return `whatever uses route protocol ${name(protocol)}`;
  }
}

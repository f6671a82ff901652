import { parseIpAddress, parseIpPrefix, type IpAddress, type IpFamily } from '../ip';
import { truth, type Truth } from './truth';

/** The first UDP packet from any of the peers to a port of this host: of a connection that conntrack has not seen. */
export interface UdpPacket {
  readonly family: IpFamily;
  /** Destination port. */
  readonly port: number;
  /** The interface that it comes in on. */
  readonly ifname: string;
  /** Its destination. */
  readonly local: IpAddress;
  /** Its possible sources; empty: anybody. */
  readonly peers: readonly IpAddress[];
}

/** What is tested against an address: one address or prefix, or a range. */
export type AddressTest = string | { readonly first: string; readonly last: string };

export function comesFrom({ peers }: UdpPacket, test: AddressTest): Truth {
  const contains = reader(test);
  if (!contains || peers.length === 0) return 'maybe';
  const inside = peers.filter(contains).length;
  if (inside === 0) return 'no';
  return inside === peers.length ? 'yes' : 'maybe';
}

export function goesTo({ local }: UdpPacket, test: AddressTest): Truth {
  const contains = reader(test);
  return contains ? truth(contains(local)) : 'maybe';
}

/** undefined when `test` is no address. */
function reader(test: AddressTest): ((address: IpAddress) => boolean) | undefined {
  try {
    if (typeof test === 'string') {
      if (test.includes('/')) {
        const prefix = parseIpPrefix(test);
        return (address) => prefix.contains(address);
      }
      const single = parseIpAddress(test);
      return (address) => single.equals(address);
    }
    const [first, last] = [parseIpAddress(test.first), parseIpAddress(test.last)];
    return (address) => address.family === first.family && address.value >= first.value && address.value <= last.value;
  } catch {
    return undefined;
  }
}

/** `wildcard` stands at the end of a pattern for any rest of the name: `*` in nftables, `+` in iptables. */
export function comesInOn({ ifname }: UdpPacket, pattern: string, wildcard: '*' | '+'): Truth {
  return truth(pattern.endsWith(wildcard) ? ifname.startsWith(pattern.slice(0, -1)) : ifname === pattern);
}

import { TartanError } from '../../errors';
import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix, type IpPrefix } from '../../ip';
import { leaseKey, type LeaseSubnets } from '../../lease/lease';
import { accepted, rejected, type Parsed } from './parsed';

/*
 * The name of a lease below `<prefix>/subnets/` (flannel-compat 2.2). Reading takes exactly what flanneld's parser takes, its
 * looseness included: the expression is not anchored at the left, two of its dots match any character, and prefix lengths are
 * 5-bit and 7-bit numbers, so that /32 and /128 do not exist. Writing produces only what that parser takes back, because
 * flanneld of many releases drops all its peers on one key that it cannot read (flannel-compat 13 E1).
 */
const FORM = /(\d+\.\d+.\d+.\d+)-(\d+)(?:&([a-f\d:]+)-(\d+))?$/;
const LONGEST_V4 = 31;
const LONGEST_V6 = 127;

/** What a key says; `text` is the whole key or the part below `subnets/`. */
export function parseLeaseKey(text: string): Parsed<LeaseSubnets> {
  const match = FORM.exec(text);
  if (!match) return rejected('the key does not have the form <IPv4>-<length> or <IPv4>-<length>&<IPv6>-<length>');
  const [, v4, length4, v6, length6] = match as unknown as [string, string, string, string?, string?];
  try {
    const subnet = Ipv4Prefix.of(Ipv4Address.parse(v4), prefixLength(length4, LONGEST_V4));
    const ipv6Subnet = v6 === undefined ? null : parseV6(v6, length6 as string);
    const none = subnet.address.isUnspecified && subnet.length === 0;
    if (none && !ipv6Subnet) return rejected('the key names no subnet');
    return accepted({ subnet: none ? null : subnet, ipv6Subnet });
  } catch (error) {
    return rejected(`the key holds an invalid subnet: ${(error as Error).message}`);
  }
}

/** `::-0` is how the original spells "no IPv6 subnet" where its type cannot say so. */
function parseV6(address: string, length: string): Ipv6Prefix | null {
  const prefix = Ipv6Prefix.of(Ipv6Address.parse(address), prefixLength(length, LONGEST_V6));
  return prefix.length === 0 ? null : prefix;
}

function prefixLength(text: string, longest: number): number {
  const length = Number(text);
  if (length > longest) throw new RangeError(`prefix length ${text} is above ${longest}`);
  return length;
}

/** The key for `subnets`. Throws DATASTORE_UNWRITABLE when flanneld could not read it. */
export function formatLeaseKey(subnets: LeaseSubnets): string {
  const key = leaseKey(subnets);
  const back = parseLeaseKey(key);
  if (!back.ok) throw new TartanError('DATASTORE_UNWRITABLE', { key, reason: back.reason });
  if (!same(back.value.subnet, subnets.subnet) || !same(back.value.ipv6Subnet, subnets.ipv6Subnet)) {
    throw new TartanError('DATASTORE_UNWRITABLE', { key, reason: 'it would be read as another subnet' });
  }
  return key;
}

function same(a: IpPrefix | null, b: IpPrefix | null): boolean {
  return a === b || (a !== null && b !== null && a.equals(b));
}

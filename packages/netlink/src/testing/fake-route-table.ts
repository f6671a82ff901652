import { hostPrefix, Ipv4Prefix, Ipv6Prefix, type IpAddress, type IpPrefix, type Route } from '@tartan/core';

/**
 * Routes by (table, destination), within one destination by metric and then by age, as both FIBs of the kernel order them.
 * Several routes may share a key: the kernel itself appends connected routes of two links in one subnet.
 */
export class FakeRouteTable {
  private readonly buckets = new Map<string, Route[]>();
  /** Prefix lengths that were ever used, per table and family; bounds the longest-prefix search. */
  private readonly lengths = new Map<string, Set<number>>();

  *all(): Generator<Route> {
    for (const bucket of this.buckets.values()) yield* bucket;
  }

  /** Every route to exactly `dst`, best first. */
  to(table: number, dst: IpPrefix): readonly Route[] {
    return this.buckets.get(bucketKey(table, dst)) ?? [];
  }

  /** Behind those of the same or a lower metric. */
  insert(route: Route): void {
    const key = bucketKey(route.table, route.dst);
    const bucket = this.buckets.get(key) ?? [];
    const place = bucket.findIndex((other) => other.metric > route.metric);
    bucket.splice(place === -1 ? bucket.length : place, 0, route);
    this.buckets.set(key, bucket);
    this.lengthsOf(route.table, route.dst.family).add(route.dst.length);
  }

  /** Puts `next` where `old` is, so that no lookup between sees neither. */
  swap(old: Route, next: Route): void {
    const bucket = this.buckets.get(bucketKey(old.table, old.dst)) as Route[];
    bucket[bucket.indexOf(old)] = next;
  }

  delete(route: Route): void {
    const key = bucketKey(route.table, route.dst);
    const rest = (this.buckets.get(key) ?? []).filter((other) => other !== route);
    if (rest.length === 0) this.buckets.delete(key);
    else this.buckets.set(key, rest);
  }

  /** The first route, longest prefix first, that covers `address` and that `wanted` accepts. */
  longestMatch(table: number, address: IpAddress, wanted: (route: Route) => boolean): Route | undefined {
    const lengths = [...this.lengthsOf(table, address.family)].sort((a, b) => b - a);
    for (const length of lengths) {
      const match = this.to(table, prefixOf(address, length)).find(wanted);
      if (match) return match;
    }
    return undefined;
  }

  private lengthsOf(table: number, family: 4 | 6): Set<number> {
    const key = `${table} ${family}`;
    let lengths = this.lengths.get(key);
    if (!lengths) this.lengths.set(key, (lengths = new Set()));
    return lengths;
  }
}

function bucketKey(table: number, dst: IpPrefix): string {
  return `${table} ${dst.toString()}`;
}

/** The network of `length` that holds `address`, in its own family. */
export function prefixOf(address: IpAddress, length: number): IpPrefix {
  if (length === (address.family === 4 ? 32 : 128)) return hostPrefix(address);
  return address.family === 4 ? Ipv4Prefix.of(address, length) : Ipv6Prefix.of(address, length);
}

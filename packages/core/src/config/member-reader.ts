import { isTartanError } from '../errors';
import type { ConfigProblems } from './config-problems';
import { describeNode, type JsonNode } from './json-text';

/** Reads members by type. A member of the wrong type is a problem, reads like an absent one, and is remembered. */
export class MemberReader<Key extends string> {
  private readonly broken = new Set<Key>();

  constructor(
    private readonly members: ReadonlyMap<Key, JsonNode>,
    private readonly problems: ConfigProblems,
  ) {}

  get(key: Key): JsonNode | undefined {
    return this.members.get(key);
  }

  /** False when one of `keys` had to be refused. */
  readable(...keys: readonly Key[]): boolean {
    return keys.every((key) => !this.broken.has(key));
  }

  /** null leaves the default, as in Go. */
  boolean(key: Key, absent: boolean): boolean {
    const node = this.members.get(key);
    if (node === undefined || node.kind === 'null') return absent;
    if (node.kind === 'boolean') return node.value;
    this.refuse(key, node, 'true or false, without quotes');
    return absent;
  }

  /** 0 when absent. The original refuses signs, fractions and exponents here. */
  unsigned(key: Key): number {
    const node = this.members.get(key);
    if (node === undefined || node.kind === 'null') return 0;
    if (node.kind === 'number' && /^\d{1,9}$/.test(node.text)) return Number(node.text);
    this.refuse(key, node, 'a prefix length: a whole number without quotes, sign and fraction');
    return 0;
  }

  /** A text that `parse` understands; undefined when absent. */
  parsed<Value>(key: Key, expected: string, parse: (text: string) => Value): Value | undefined {
    const node = this.members.get(key);
    if (node === undefined) return undefined;
    try {
      if (node.kind === 'string') return parse(node.value);
    } catch (error) {
      if (!isTartanError(error, 'ADDRESS_INVALID')) throw error;
    }
    this.refuse(key, node, expected);
    return undefined;
  }

  /** An end of the range of subnets; absent and the unspecified address both mean "derive". */
  bound<Address extends { readonly family: 4 | 6; readonly isUnspecified: boolean }>(
    key: Key,
    expected: string,
    parse: (text: string) => Address,
  ): Address | undefined {
    // The original reads null as absent for the IPv6 bounds, and refuses it for the IPv4 ones.
    if (key.startsWith('IPv6') && this.members.get(key)?.kind === 'null') return undefined;
    const address = this.parsed(key, expected, parse);
    return address?.isUnspecified ? undefined : address;
  }

  private refuse(key: Key, node: JsonNode, expected: string): void {
    this.broken.add(key);
    this.problems.add(key, describeNode(node), expected);
  }
}

import { parseIpAddress, type IpFamily } from '../../ip';
import { mergeRanges, type AddressRange } from '../rules/address-ranges';
import type { RuleShape } from '../rules/ownership';
import type { AddressMatch, MarkMatch, TrafficRule } from '../rules/traffic-rule';
import { isObject, onlyMember, type JsonObject } from './nft-json';

/*
 * Reads the statements of one rule as nft writes them (libnftables-json(5), "STATEMENTS"). Only the few forms that flanneld and we use are
 * understood; a rule with anything else in it keeps what was understood of its addresses, which is enough to tell whose it is.
 */

export interface ReadNftRule {
  readonly shape: Partial<RuleShape>;
  /** Undefined when part of the rule was not understood. */
  readonly complete?: TrafficRule;
}

interface Draft {
  src?: AddressMatch;
  dst?: AddressMatch;
  mark?: MarkMatch;
  verdict?: TrafficRule['verdict'];
  fullyRandom?: boolean;
}

export function readNftRule(statements: unknown, family: IpFamily): ReadNftRule {
  const draft: Draft = {};
  const list: readonly unknown[] = Array.isArray(statements) ? statements : [];
  const understood = list.map((statement) => readStatement(statement, family, draft)).every(Boolean);
  const { verdict, ...matches } = draft;
  const shape = verdict ? { ...matches, verdict } : matches;
  return understood && verdict ? { shape, complete: { family, ...matches, verdict } } : { shape };
}

/** False when it was not understood, or says again what was said already. */
function readStatement(statement: unknown, family: IpFamily, draft: Draft): boolean {
  const [name, content] = onlyMember(statement) ?? [];
  switch (name) {
    case 'counter':
      return true;
    case 'accept':
    case 'return':
      draft.verdict = name;
      return true;
    case 'masquerade':
      return readMasquerade(content, draft);
    case 'match':
      return isObject(content) && readMatch(content, family, draft);
    case undefined:
    default:
      return false;
  }
}

function readMasquerade(content: unknown, draft: Draft): boolean {
  draft.verdict = 'masquerade';
  const options = isObject(content) ? Object.keys(content) : [];
  if (options.length === 0) return true;
  const flags = isObject(content) ? [content['flags']].flat() : [];
  draft.fullyRandom = flags.includes('fully-random');
  return options.join() === 'flags' && flags.length === 1 && draft.fullyRandom;
}

function readMatch(match: JsonObject, family: IpFamily, draft: Draft): boolean {
  const { op, left, right } = match;
  const [kind, content] = onlyMember(left) ?? [];
  if (kind === 'payload' && isObject(content)) return readAddressMatch({ op, field: content, right }, family, draft);
  return op === '==' && readMark(left, right, draft);
}

function readAddressMatch(
  { op, field, right }: { readonly op: unknown; readonly field: JsonObject; readonly right: unknown },
  family: IpFamily,
  draft: Draft,
): boolean {
  const side = field['field'] === 'saddr' ? 'src' : field['field'] === 'daddr' ? 'dst' : undefined;
  const ranges = readRanges(right);
  if (field['protocol'] !== (family === 4 ? 'ip' : 'ip6') || side === undefined || ranges === undefined) return false;
  if ((op !== '==' && op !== '!=') || draft[side]) return false;
  draft[side] = { not: op === '!=', ranges: mergeRanges(ranges) };
  return true;
}

/** `meta mark & 0x4000 == 0x4000`, or without a mask, which is one of all bits. */
function readMark(left: unknown, right: unknown, draft: Draft): boolean {
  if (typeof right !== 'number' || draft.mark) return false;
  const [name, content] = onlyMember(left) ?? [];
  if (name === 'meta' && isMarkKey(left)) draft.mark = { value: right, mask: 0xffff_ffff };
  else if (name === '&' && Array.isArray(content) && isMarkKey(content[0]) && typeof content[1] === 'number') {
    draft.mark = { value: right, mask: content[1] };
  } else return false;
  return true;
}

function isMarkKey(expression: unknown): boolean {
  const [name, content] = onlyMember(expression) ?? [];
  return name === 'meta' && isObject(content) && content['key'] === 'mark';
}

/** An address, a prefix, a range, or a set of them. */
function readRanges(expression: unknown): AddressRange[] | undefined {
  if (typeof expression === 'string') return readAddress(expression);
  const [name, content] = onlyMember(expression) ?? [];
  if (name === 'prefix' && isObject(content)) return readPrefix(content['addr'], content['len']);
  if (name === 'range' && Array.isArray(content)) return readRange(content[0], content[1]);
  if (name !== 'set') return undefined;
  const elements: readonly unknown[] = Array.isArray(content) ? content : [content];
  const ranges = elements.map(readRanges);
  return ranges.includes(undefined) ? undefined : ranges.flatMap((range) => range ?? []);
}

function readAddress(text: unknown): AddressRange[] | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const value = BigInt(parseIpAddress(text).value);
    return [{ first: value, last: value }];
  } catch {
    return undefined;
  }
}

function readPrefix(address: unknown, length: unknown): AddressRange[] | undefined {
  const [found] = readAddress(address) ?? [];
  if (!found || typeof length !== 'number') return undefined;
  const bits = String(address).includes(':') ? 128 : 32;
  return [{ first: found.first, last: found.first + (1n << BigInt(bits - length)) - 1n }];
}

function readRange(first: unknown, last: unknown): AddressRange[] | undefined {
  const [[from] = [], [to] = []] = [readAddress(first), readAddress(last)];
  return from && to ? [{ first: from.first, last: to.last }] : undefined;
}

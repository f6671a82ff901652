/**
 * One entry of a lease directory, the file `<key>.json`:
 *
 *   {"created":1790000000000000,"version":3,"expiresAt":"2026-09-21T14:13:20.000Z","value":{"PublicIP":"192.168.50.1",…}}
 *
 * `value` is what etcd would hold. `created` (microseconds since the epoch) orders entries on every node alike, `version` counts
 * visible changes, and without `expiresAt` the entry is a reservation. An administrator needs to write no more than
 * {"value":{"PublicIP":"192.168.50.1"}}.
 */
import type { LeaseAttrs } from '../../lease/lease';
import { decodeLeaseValue, goJsonText, readMembers, type Parsed } from '../codec';

export interface EntryFile {
  /** Microseconds since the epoch; 0 for an entry that states none. */
  readonly created: number;
  readonly version: number;
  /** Milliseconds since the epoch; null for a reservation. */
  readonly expiresAt: number | null;
  /** The lease value as text. */
  readonly value: string;
}

export interface ReadEntry extends EntryFile {
  readonly attrs: LeaseAttrs;
}

export function readEntryFile(text: string): Parsed<ReadEntry> {
  const members = readMembers(text);
  if (!members.ok) return { ok: false, reason: `the file is ${members.reason}` };
  const byName = new Map(members.value.map((member) => [member.name, member.text]));
  const value = byName.get('value');
  if (value === undefined) return { ok: false, reason: 'the file has no "value"' };
  const attrs = decodeLeaseValue(value);
  if (!attrs.ok) return attrs;
  const created = readCount(byName.get('created'));
  const version = readCount(byName.get('version'));
  const expiresAt = readTime(byName.get('expiresAt'));
  if (created === null) return { ok: false, reason: '"created" is not a number of microseconds' };
  if (version === null) return { ok: false, reason: '"version" is not a number' };
  if (Number.isNaN(expiresAt)) return { ok: false, reason: '"expiresAt" is not a time such as 2026-09-21T14:13:20Z' };
  return { ok: true, value: { created, version, expiresAt, value: goJsonText(value), attrs: attrs.value } };
}

export function writeEntryFile({ created, version, expiresAt, value }: EntryFile): string {
  const time = expiresAt === null ? 'null' : JSON.stringify(new Date(expiresAt).toISOString());
  return `{"created":${created},"version":${version},"expiresAt":${time},"value":${value}}\n`;
}

/** Equal for entries that look equal to others: when exactly one runs out is its owner's business. */
export function entryIdentity({ created, version, expiresAt, value }: EntryFile): string {
  return [created, version, expiresAt === null ? 'reservation' : 'lease', value].join(' ');
}

/** The value inside an identity. */
export function valueOfIdentity(identity: string): string {
  return identity.split(' ').slice(3).join(' ');
}

function readCount(text: string | undefined): number | null {
  const count = text === undefined ? 0 : Number(text);
  return Number.isSafeInteger(count) && count >= 0 ? count : null;
}

function readTime(text: string | undefined): number | null {
  const value: unknown = text === undefined ? null : JSON.parse(text);
  if (value === null) return null;
  return typeof value === 'string' ? Date.parse(value) : Number.NaN;
}

import { createHash } from 'node:crypto';
import type { PlainLoopOptions } from '../native/plain-options';

/*
 * What a packet loop that runs is made of, as a file:
 *
 *   tartan-udp-loop 1 <SHA-256 of all that follows this line>\n
 *   <one line of JSON: all of SavedLoop but the routes>\n
 *   <routes, 56 bytes each, as native/encode-routes.ts lays them out>
 *
 * The table is the bytes that the loop takes, so that reading 5,000 peers back costs next to nothing.
 */

export interface SavedLoop {
  /** Milliseconds since the epoch. */
  readonly writtenAt: number;
  /** Of the options that the daemon was started with; the daemon makes it, here it only has to be equal. */
  readonly startedWith: string;
  /** Of the kernel: another one means that the host was booted since. */
  readonly bootId: string;
  readonly networkNamespace: string;
  /** Index of the TUN. */
  readonly ifindex: number;
  /** Networks of the overlay. */
  readonly networks: readonly string[];
  readonly options: PlainLoopOptions;
  readonly routes: Uint8Array;
}

/** Raised with every change of the layout, of the routes' bytes or of PlainLoopOptions. */
const FIRST_WORDS = 'tartan-udp-loop 1 ';

export function encodeSavedLoop({ routes, ...rest }: SavedLoop): Buffer {
  const body = Buffer.concat([Buffer.from(`${JSON.stringify(rest)}\n`), routes]);
  return Buffer.concat([Buffer.from(`${FIRST_WORDS}${digest(body)}\n`), body]);
}

/** Throws an Error that says what is wrong. */
export function decodeSavedLoop(bytes: Buffer): SavedLoop {
  const [first, body] = firstLine(bytes);
  if (!first.startsWith(FIRST_WORDS)) throw new Error('written by another version');
  if (first.slice(FIRST_WORDS.length) !== digest(body)) throw new Error('incomplete or changed');
  const [json, routes] = firstLine(body);
  return { ...(JSON.parse(json) as Omit<SavedLoop, 'routes'>), routes };
}

function firstLine(bytes: Buffer): [line: string, rest: Buffer] {
  const end = bytes.indexOf(0x0a);
  if (end === -1) throw new Error('incomplete or changed');
  return [bytes.toString('utf8', 0, end), bytes.subarray(end + 1)];
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

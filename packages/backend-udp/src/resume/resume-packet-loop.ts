import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { addonPlaces } from '../native/addon-places';
import { errnoName } from '../native/errno-name';
import { ROUTE_BYTES } from '../native/encode-routes';
import { nativeLoopConfig } from '../native/loop-config';
import type { NativeAddon, NativeLoop } from '../native/native-addon';
import { requireFirst } from '../native/require-first';
import { decodeSavedLoop, type SavedLoop } from './saved-loop';
import { readSurroundings, type Surroundings } from './surroundings';

/*
 * Goes on with the packet loop of the process before, as the first thing of a start. Everything else of the daemon (modules, datastore,
 * lease, first reconcile) takes a second or more, and packets need none of it: device, addresses and routes are still in the kernel, and the
 * saved file has the loop's options and its table. So nothing heavy may be imported here: Node's own modules and the addon.
 *
 * The loop goes on only where nothing can have changed that it depends on: the same options on the command line, the same boot, the
 * same network namespace, the same device, up and used by nobody, its port free. In all other cases the daemon starts as if there
 * were no file. Whether the network config is still the same only the datastore knows; the backend asks as soon as it has read it, adopts the loop or
 * stops it, and the first list of peers takes the place of the saved table.
 */

/** A lease lives longer, and is renewed long before its end: within this time no other host has got the address of a saved peer. */
const MAX_AGE_MS = 3_600_000;
/** 200,000 routes. */
const MAX_BYTES = 16 * 2 ** 20;

export type Resumption =
  | { readonly kind: 'nothing saved' }
  | { readonly kind: 'refused'; readonly path: string; readonly reason: string }
  | { readonly kind: 'resumed'; readonly path: string; readonly routes: number };

export interface ResumeOptions {
  /** Saved files of the daemons of this host. */
  readonly paths: readonly string[];
  /** Which of them is ours: must equal SavedLoop.startedWith. */
  readonly startedWith: string;
  /** This process' own unless given. */
  readonly surroundings?: () => Surroundings;
  /** Starts the real loop unless given. Throws an Error that says why it cannot. */
  readonly start?: (saved: SavedLoop) => NativeLoop;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** A loop that runs, and what it was started from. */
export interface ResumedLoop {
  readonly saved: SavedLoop;
  readonly loop: NativeLoop;
}

/** At most one in a process, until the backend takes it. */
let resumed: ResumedLoop | undefined;

/** Starts the loop that was saved, if it may go on. Never throws. */
export function resumePacketLoop(options: ResumeOptions): Resumption {
  const { paths, start = startSavedLoop } = options;
  let outcome: Resumption = { kind: 'nothing saved' };
  for (const path of paths) {
    try {
      const saved = decodeSavedLoop(readPrivateFile(path));
      checkPlace(saved, options);
      resumed = { saved, loop: start(saved) };
      return { kind: 'resumed', path, routes: saved.routes.length / ROUTE_BYTES };
    } catch (error) {
      outcome = { kind: 'refused', path, reason: error instanceof Error ? error.message : String(error) };
    }
  }
  return outcome;
}

/** The loop that was resumed, once: who takes it sees to its end. */
export function takeResumed(): ResumedLoop | undefined {
  const taken = resumed;
  resumed = undefined;
  return taken;
}

/** Stops the loop that was resumed, unless it was taken. */
export async function dropResumed(): Promise<void> {
  await takeResumed()?.loop.stop();
}

/** The saved table decides to whom packets go: nobody but us may have written it. */
function readPrivateFile(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const { uid, mode, size } = fstatSync(file);
    if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) throw new Error('the file is not ours alone');
    if (size > MAX_BYTES) throw new Error(`larger than ${MAX_BYTES} bytes`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

function checkPlace(
  saved: SavedLoop,
  { startedWith, surroundings = readSurroundings, now = Date.now }: ResumeOptions,
): void {
  const { bootId, networkNamespace } = surroundings();
  if (saved.startedWith !== startedWith) throw new Error('of a daemon with other options');
  if (saved.bootId !== bootId) throw new Error('the host was booted since');
  if (saved.networkNamespace !== networkNamespace) throw new Error('another network namespace');
  const ageMs = now() - saved.writtenAt;
  if (ageMs < 0 || ageMs > MAX_AGE_MS) throw new Error('too old, or the time was set');
}

function startSavedLoop({ options, ifindex, routes }: SavedLoop): NativeLoop {
  const addon = requireFirst(
    addonPlaces(),
    (cause) => cause ?? new Error('the native addon is missing'),
  ) as NativeAddon;
  const loop = new addon.Loop({ ...nativeLoopConfig(options, addon.featureNames), leftIfindex: ifindex });
  loop.setRoutes(routes);
  const failure = loop.start();
  if (failure) throw new Error(`${errnoName(failure.errno)} from ${failure.call}`);
  return loop;
}

import { NativePacketLoop } from './native';
import type { PacketLoop, PacketLoopOptions } from './packet-loop';
import { takeResumed } from './resume';
import type { SavedLoop } from './resume/saved-loop';

/** A loop that runs, and what it was started from. */
export interface RunningLoop {
  readonly loop: PacketLoop;
  readonly saved: Pick<SavedLoop, 'options' | 'networks' | 'ifindex'>;
}

/** The loop that this process went on with at its start (resume/), if any; gives it once. `options` are for the words of its errors. */
export function takeResumedLoop(options: PacketLoopOptions): RunningLoop | undefined {
  const resumed = takeResumed();
  return resumed && { saved: resumed.saved, loop: new NativePacketLoop(options, resumed.loop) };
}

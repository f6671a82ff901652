import { spawn } from 'node:child_process';
import { TartanError } from '../errors';
import { errnoNameOf } from './atomic-file';
import { systemClock } from './clock';

/*
 * How a message reaches the service manager: one datagram to the AF_UNIX address in NOTIFY_SOCKET (sd_notify(3)). Node has no
 * such sockets, so there are two ways.
 *
 * - A native function, injected (packages/netlink has one). The kernel then vouches for our own pid, which NotifyAccess=main
 *   asks for, and a message costs one system call.
 * - The systemd-notify program. Its pid is not ours: unless we may forge credentials (CAP_SYS_ADMIN), the unit needs
 *   NotifyAccess=all. It waits until the manager has read the message (sd_notify_barrier(3), systemd 246 and later), without
 *   which the manager could find the sender gone and drop it.
 */

/** Delivers messages, one at a time in order of the calls' settling. */
export interface NotifySender {
  /** Where it sends, for messages. */
  readonly target: string;
  /** `state` holds `NAME=value` lines. Rejects with NOTIFY_FAILED. */
  send(state: string): Promise<void>;
}

/** Sends one datagram; `path` starting with '@' is an abstract name. Throws a system error with `code`. Never blocks. */
export type SendUnixDatagram = (path: string, data: Uint8Array) => void;

/** The native way. */
export function datagramNotifySender(path: string, sendUnixDatagram: SendUnixDatagram): NotifySender {
  return {
    target: path,
    // eslint-disable-next-line @typescript-eslint/require-await -- so that what it throws becomes a rejection
    send: async (state) => {
      try {
        sendUnixDatagram(path, Buffer.from(state));
      } catch (cause) {
        throw new TartanError('NOTIFY_FAILED', { target: path, reason: errnoNameOf(cause) }, { cause });
      }
    },
  };
}

export interface ProgramNotifySenderOptions {
  /** NOTIFY_SOCKET. */
  readonly path: string;
  /** systemd-notify from PATH unless told. */
  readonly program?: string;
  /** A call that takes longer is ended and counts as failed, milliseconds; 5000 unless told. */
  readonly timeoutMs?: number;
}

/** The way through the systemd-notify program: some milliseconds of CPU per message. */
export function programNotifySender(options: ProgramNotifySenderOptions): NotifySender {
  const { path, program = 'systemd-notify', timeoutMs = 5_000 } = options;
  return {
    target: path,
    send: async (state) => {
      const reason = await run(program, state.split('\n').filter(Boolean), { path, timeoutMs });
      if (reason !== undefined) throw new TartanError('NOTIFY_FAILED', { target: path, reason });
    },
  };
}

/** Why it failed, undefined when it did not. The program gets nothing of our environment but what it needs. */
function run(
  program: string,
  args: readonly string[],
  { path, timeoutMs }: { path: string; timeoutMs: number },
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, ['--', ...args], {
      stdio: 'ignore',
      env: { PATH: process.env['PATH'], NOTIFY_SOCKET: path },
    });
    // Not spawn's own timeout: its timer outlives a program that could not be started.
    const timer = systemClock.setTimer(timeoutMs, () => child.kill('SIGKILL'));
    const settle = (reason: string | undefined): void => {
      timer.cancel();
      resolve(reason);
    };
    child.once('error', (error) => settle(`${program}: ${errnoNameOf(error)}`));
    child.once('exit', (code, signal) =>
      settle(code === 0 ? undefined : `${program} ended with ${signal ?? `status ${code ?? ''}`}`),
    );
  });
}

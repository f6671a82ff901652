import { readFile } from 'node:fs/promises';
import type { LabProcess } from './lab-process';

const TCP_LISTEN = '0A'; // include/net/tcp_states.h

/** Resolves once something listens on the TCP port in the network namespace of `labProcess`. */
export async function waitUntilListening(labProcess: LabProcess, port: number): Promise<void> {
  await labProcess.until(() => listens(labProcess.pid, port), `listens on port ${port}`);
}

/** /proc/PID/net shows the namespace of that process, so nothing has to enter it. */
async function listens(pid: number, port: number): Promise<boolean> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')));
  return tables
    .join('')
    .split('\n')
    .some((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      return state === TCP_LISTEN && local.endsWith(`:${hexPort}`);
    });
}

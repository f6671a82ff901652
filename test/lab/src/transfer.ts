import type { Inside } from './inside';
import { labProgram } from './programs';

export interface TransferOptions {
  readonly from: Inside;
  readonly to: Inside;
  /** Address of `to`. */
  readonly address: string;
  readonly bytes: number;
  /** Default 7100. */
  readonly port?: number;
  /** Default 60 s. */
  readonly timeoutMs?: number;
}

export interface Copy {
  readonly bytes: number;
  readonly sha256: string;
}

/** Sends pseudo-random bytes over one TCP connection; tells what went and what came, which a sound network makes equal. */
export async function transfer(options: TransferOptions): Promise<{ readonly sent: Copy; readonly received: Copy }> {
  const { from, to, address, bytes, port = 7100, timeoutMs = 60_000 } = options;
  const program = [process.execPath, labProgram('tcp-copy.mjs')];
  const receiver = await to.start({
    name: 'tcp-copy',
    argv: [...program, 'receive', String(port)],
    stdout: 'lines',
  });
  try {
    await receiver.waitForLine(/^ready$/);
    const { stdout } = await from.run([...program, 'send', address, String(port), String(bytes)], { timeoutMs });
    const line = await receiver.waitForLine(/^\{/, { timeoutMs });
    return { sent: JSON.parse(stdout) as Copy, received: JSON.parse(line) as Copy };
  } finally {
    await receiver.kill();
  }
}

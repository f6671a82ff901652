import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Inside } from './inside';
import type { LabProcess } from './lab-process';
import type { LabScope } from './lab-scope';
import { labProgram } from './programs';

/*
 * A test wants to talk to an etcd inside a namespace with a client in its own process, and a process cannot enter a network
 * namespace for some of its sockets only. Unix sockets belong to the file system, not to the network namespace, so they are
 * the bridge: this process ── 127.0.0.1:port ──▶ unix socket ──▶ small program in the namespace ──▶ TCP port.
 */

export interface TcpForward {
  /** On 127.0.0.1 of this process. */
  readonly port: number;
  /** Cuts open connections off. Idempotent. */
  close(): Promise<void>;
}

export async function forwardTcp(
  inside: Inside,
  scope: LabScope,
  port: number,
  address = '127.0.0.1',
): Promise<TcpForward> {
  const path = join(scope.directory, `forward-${scope.next()}.sock`);
  const program = await inside.start({
    name: `forward-${port}`,
    argv: [process.execPath, labProgram('tcp-forward.mjs'), path, address, String(port)],
    stdout: 'lines',
  });
  await program.waitForLine(/^ready$/);
  const connections = new Set<Socket>();
  const server = createServer((socket) => connect(socket, createConnection(path), connections));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  let closing: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    close: () => (closing ??= close(server, connections, program)),
  };
}

function connect(left: Socket, right: Socket, connections: Set<Socket>): void {
  for (const [from, to] of [
    [left, right],
    [right, left],
  ] as const) {
    connections.add(from);
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      connections.delete(from);
      to.destroy();
    });
  }
}

async function close(server: Server, connections: Set<Socket>, program: LabProcess): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  for (const socket of connections) socket.destroy();
  await closed;
  await program.kill();
}

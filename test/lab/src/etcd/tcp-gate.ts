import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/**
 * A way to a TCP server that can be cut. `close` refuses and resets, as a stopped server does; `freeze` leaves connections open
 * and passes nothing on, as a partition does.
 */
export class TcpGate {
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private frozen: 'all' | 'answers' | null = null;

  private constructor(
    private server: Server,
    private readonly target: { readonly host: string; readonly port: number },
    readonly port: number,
  ) {}

  /** To `target`, a URL or `host:port`. Listens on 127.0.0.1. */
  static async open(target: string): Promise<TcpGate> {
    const { hostname: host, port } = new URL(target.includes('://') ? target : `tcp://${target}`);
    const server = createServer();
    await listen(server, 0);
    const gate = new TcpGate(server, { host, port: Number(port) }, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => gate.join(socket));
    return gate;
  }

  /** Connections since the start. */
  connections = 0;

  /** Resets every connection and refuses new ones. */
  async shut(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
    await closed;
  }

  /** Undoes `shut`. */
  async reopen(): Promise<void> {
    this.server = createServer((socket) => this.join(socket));
    await listen(this.server, this.port);
  }

  /** Nothing passes any more and nobody is told; with `answers`, requests still reach the server. */
  freeze(what: 'all' | 'answers' = 'all'): void {
    this.frozen = what;
    for (const pair of this.pairs) stall(pair, what);
  }

  /** New connections pass; those that were frozen are dead. */
  thaw(): void {
    this.frozen = null;
  }

  /** For good. */
  async close(): Promise<void> {
    if (this.server.listening) await this.shut();
  }

  private join(near: Socket): void {
    this.connections++;
    const far = connect(this.target);
    const pair = [near, far] as const;
    this.pairs.add(pair);
    const end = (): void => {
      near.destroy();
      far.destroy();
      this.pairs.delete(pair);
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    near.on('data', (data) => far.write(data));
    far.on('data', (data) => near.write(data));
    if (this.frozen) stall(pair, this.frozen);
  }
}

function stall([near, far]: readonly [Socket, Socket], what: 'all' | 'answers'): void {
  far.pause();
  if (what === 'all') near.pause();
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, resolve);
  });
}

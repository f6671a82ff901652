import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { TartanError } from '../errors';
import { errnoNameOf } from './atomic-file';
import type { Clock } from './clock';
import { HealthPages, type HealthPagesOptions } from './health-pages';
import type { Logger } from './logger';

/*
 * /healthz, /readyz and /metrics over plain HTTP. Kubelets, load balancers and scrapers talk to it, and on 0.0.0.0 anybody
 * may: so it reads nothing but the request line and headers, takes GET and HEAD only, and every connection is bounded in
 * time, size and number, lest a slow or greedy client take descriptors from the daemon.
 */

const REQUEST_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_CONNECTIONS = 128;
const CLOSE_GRACE_MS = 3_000;

export interface HealthServerOptions extends HealthPagesOptions {
  /** Address or name to bind; an IPv6 literal without brackets. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface HealthServer {
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /** Takes no new connection, lets answers under way finish for at most 3 s, then cuts them off. Idempotent. */
  close(): Promise<void>;
}

/** Resolves once it listens. Rejects with HEALTH_BIND_FAILED. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const pages = new HealthPages(options);
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => void pages.answer(request, response),
  );
  server.timeout = IDLE_TIMEOUT_MS;
  server.maxConnections = MAX_CONNECTIONS;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuse(error, socket));
  await listen(server, options);
  server.on('error', (error) => options.logger.warn('health server had an error, still listening', { error }));
  const { address, port } = server.address() as AddressInfo;
  options.logger.info('health server listens', { host: address, port });
  let closing: Promise<void> | undefined;
  return { host: address, port, close: () => (closing ??= close(server, options.clock)) };
}

function listen(server: Server, { host, port }: HealthServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: unknown): void =>
      reject(new TartanError('HEALTH_BIND_FAILED', { host, port, errnoName: errnoNameOf(cause) }, { cause }));
    server.once('error', failed);
    try {
      server.listen({ host, port }, () => {
        server.off('error', failed);
        resolve();
      });
    } catch (cause) {
      failed(cause);
    }
  });
}

/** What node's parser gave up on. The text is the whole answer: nothing of the request is echoed. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

async function close(server: Server, clock: Clock): Promise<void> {
  // Since Node 19 close() also ends connections that are idle.
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  const timer = clock.setTimer(CLOSE_GRACE_MS, () => server.closeAllConnections());
  await ended;
  timer.cancel();
}

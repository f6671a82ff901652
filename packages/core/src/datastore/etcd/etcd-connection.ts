/**
 * One gRPC connection to one etcd endpoint: the only file that touches etcd3 at run time.
 *
 * etcd3 gives the protocol buffers and the clients of each service. What it adds on top is left out on purpose, because each part
 * decides something that must be decided in view of the whole: its pool retries three times without a word and closes a
 * host's streams when one call is slow; its lease object keeps leases alive on its own; its watcher resumes at header revisions
 * (flannel-compat 13 E9) and swallows stream errors; its authenticator leaves a connection behind each time. So every call goes
 * to the bare service client of a pool with a single host, and failures come back with their gRPC code.
 */
import { Etcd3, type ICallable } from 'etcd3';
import { abortReason } from '../../runtime';
import { GrpcCode, GrpcFailure } from './grpc-failure';
import type { EtcdEndpoint } from './etcd-options';
import type { TlsMaterial } from './tls-files';

/** A peer that vanished without closing is noticed after 6 + 4 s. etcd refuses pings more often than every 5 s. */
const PING_INTERVAL_MS = 6_000;
const PING_TIMEOUT_MS = 4_000;
const RECONNECT_INITIAL_MS = 100;
const RECONNECT_MAX_MS = 2_000;

type Service = 'KV' | 'Lease' | 'Watch' | 'Auth';
type Bare = Parameters<Parameters<ICallable<unknown>['withConnection']>[1]>[0];

export interface GrpcRequest {
  readonly service: Service;
  /** The method as the generated client spells it: `range`, `leaseGrant`. */
  readonly method: string;
  readonly message: object;
  /** The method is a bidirectional stream: send one message, take one answer. */
  readonly exchange?: boolean;
}

export interface CallControl {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Session token; null when etcd wants none. */
  readonly token: string | null;
}

interface Failure extends Error {
  readonly code?: number;
  readonly details?: string;
}

/** A bidirectional stream: async iteration reads with back-pressure and rejects with the gRPC failure. */
export interface GrpcStream<Request, Response> extends AsyncIterable<Response> {
  write(message: Request): void;
  cancel(): void;
}

interface Emitting {
  once(event: 'data', listener: (message: unknown) => void): void;
  on(event: 'error' | 'end', listener: (error?: Failure) => void): void;
}

type UnaryMethod = (
  message: object,
  metadata: Bare['metadata'],
  options: { deadline: number },
  done: (error: Failure | null, response: unknown) => void,
) => { cancel(): void };
type StreamMethod = (
  metadata: Bare['metadata'],
  options: { deadline?: number },
) => GrpcStream<unknown, unknown> & Emitting;

class BareEtcd extends Etcd3 {
  bare(service: Service): Promise<Bare> {
    return this.pool.withConnection(service, (bare) => bare);
  }
}

export class EtcdConnection {
  private static serial = 0;
  private readonly etcd: BareEtcd;
  private holders = 0;
  private retired = false;

  constructor(
    readonly endpoint: EtcdEndpoint,
    readonly tls: TlsMaterial | null,
  ) {
    this.etcd = new BareEtcd({
      hosts: `${endpoint.secure ? 'https' : 'http'}://${endpoint.target}`,
      ...(tls && { credentials: tls }),
      grpcOptions: channelOptions(++EtcdConnection.serial),
    });
  }

  /** Keeps the connection open, also when it is retired meanwhile, until `release`. Calls are made in between only. */
  hold(): this {
    this.holders++;
    return this;
  }

  release(): void {
    this.holders--;
    if (this.retired && this.holders === 0) this.etcd.close();
  }

  /** No new holders will come; closes as soon as the last one lets go. */
  retire(): void {
    this.retired = true;
    if (this.holders === 0) this.etcd.close();
  }

  /** Rejects with GrpcFailure, or with the abort reason. */
  async call(request: GrpcRequest, control: CallControl): Promise<unknown> {
    const { client, metadata } = await this.open(request.service, control.token);
    return await new Promise((resolve, reject) => {
      const deadline = Date.now() + control.timeoutMs;
      const settle = (finish: () => void): void => {
        control.signal.removeEventListener('abort', onAbort);
        finish();
      };
      const succeed = (response: unknown): void => settle(() => resolve(response));
      const fail = (error: Failure): void => settle(() => reject(grpcFailure(error)));
      const send = bind(client, request.method);
      const cancel = request.exchange
        ? exchange((send as StreamMethod)(metadata, { deadline }), request.message, succeed, fail)
        : unary(send as UnaryMethod, request.message, metadata, deadline, succeed, fail);
      const onAbort = (): void => {
        settle(() => reject(abortReason(control.signal)));
        cancel();
      };
      if (control.signal.aborted) onAbort();
      else control.signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Opens a stream and hands it to `use`; it is cancelled when `use` settles. */
  async *stream<Request, Response, Item>(
    service: Service,
    name: string,
    token: string | null,
    use: (stream: GrpcStream<Request, Response>) => AsyncIterable<Item>,
  ): AsyncGenerator<Item> {
    const { client, metadata } = await this.open(service, token);
    const stream = (bind(client, name) as StreamMethod)(metadata, {});
    // Cancelling makes the stream emit an error that nobody waits for any more.
    stream.on('error', () => undefined);
    try {
      yield* use(stream as GrpcStream<Request, Response>);
    } finally {
      stream.cancel();
    }
  }

  private async open(service: Service, token: string | null): Promise<Bare> {
    const bare = await this.etcd.bare(service);
    // A member that lost its leader answers UNAVAILABLE at once instead of letting us wait.
    bare.metadata.set('hasleader', 'true');
    if (token !== null) bare.metadata.set('token', token);
    return bare;
  }
}

/** The serial keeps a new connection from sharing the socket of one that was given up: gRPC shares by equal options. */
function channelOptions(serial: number): Record<string, number | string> {
  return {
    'grpc.primary_user_agent': `tartan/${serial}`,
    'grpc.keepalive_time_ms': PING_INTERVAL_MS,
    'grpc.keepalive_timeout_ms': PING_TIMEOUT_MS,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_INITIAL_MS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
    'grpc.max_receive_message_length': -1,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
  };
}

function bind(client: Bare['client'], name: string): (...parameters: unknown[]) => unknown {
  const methods = client as unknown as Record<string, (...parameters: unknown[]) => unknown>;
  return (...parameters) => methods[name]?.(...parameters);
}

function unary(
  send: UnaryMethod,
  message: object,
  metadata: Bare['metadata'],
  deadline: number,
  succeed: (response: unknown) => void,
  fail: (error: Failure) => void,
): () => void {
  const call = send(message, metadata, { deadline }, (error, response) => (error ? fail(error) : succeed(response)));
  return () => call.cancel();
}

function exchange(
  stream: GrpcStream<unknown, unknown> & Emitting,
  message: object,
  succeed: (response: unknown) => void,
  fail: (error: Failure) => void,
): () => void {
  const cancel = (): void => stream.cancel();
  stream.on('error', (error) => fail(error as Failure));
  stream.on('end', () => fail(new Error('the stream ended without an answer')));
  stream.once('data', (response) => {
    succeed(response);
    cancel();
  });
  stream.write(message);
  return cancel;
}

/** Takes code and text over; gRPC's own message repeats both. */
export function grpcFailure(error: unknown): GrpcFailure {
  const { code, details, message } = error as Failure;
  const text = details === undefined || details === '' ? message : details;
  // grpc-js ends some texts with the remark of a name resolver that has nothing to remark.
  return new GrpcFailure(code ?? GrpcCode.UNKNOWN, text.replace(/\s*Resolution note:\s*$/, ''));
}

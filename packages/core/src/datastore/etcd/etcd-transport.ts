/**
 * Calls to a cluster of etcd members: fail-over, time limits, session tokens, fresh certificates.
 *
 * One member is preferred, chosen at random so that many nodes spread over the members, and kept as long as it answers. A call
 * that fails in a way that another member may not goes to the next one within the same time limit: each try gets half of what is
 * left, the last one all of it. So one dead member of three costs a few seconds once, whether it refuses connections, swallows
 * packets or is stopped with its sockets open. A request may therefore reach etcd twice; everything that is sent through here
 * is made to bear that (grpc-failure.ts counts the attempts; etcd-leases.ts chooses lease ids itself).
 *
 * A connection whose call timed out is replaced: its socket may be dead without a sign, and gRPC's pings need longer than
 * most calls live. Calls still open on it, such as a watch, keep it until they end.
 */
import { setMaxListeners } from 'node:events';
import { TartanError } from '../../errors';
import { abortReason, type Clock, type Logger, type Random } from '../../runtime';
import type { Reachability } from '../shared/reachability';
import type { EtcdAuth } from './etcd-auth';
import { EtcdConnection, grpcFailure, type CallControl, type GrpcRequest, type GrpcStream } from './etcd-connection';
import type { EtcdEndpoint } from './etcd-options';
import { GrpcCode, GrpcFailure, isGrpcFailure, isTransient, toTartanError } from './grpc-failure';
import type { TlsFiles } from './tls-files';

export interface EtcdTransportOptions {
  readonly endpoints: readonly EtcdEndpoint[];
  /** Null for plain text. */
  readonly tlsFiles: TlsFiles | null;
  readonly auth: EtcdAuth;
  readonly timeoutMs: number;
  readonly reachability: Reachability;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

export interface Answer<Response> {
  readonly response: Response;
  /** How many times the request was sent; above 1, an earlier one may have been carried out. */
  readonly attempts: number;
}

interface Member {
  readonly endpoint: EtcdEndpoint;
  connection: EtcdConnection | null;
  healthy: boolean;
}

export class EtcdTransport {
  private readonly members: readonly Member[];
  private preferred: number;
  private readonly closing = heardByEveryCall();
  private parting = heardByEveryCall();

  constructor(private readonly options: EtcdTransportOptions) {
    this.members = options.endpoints.map((endpoint) => ({ endpoint, connection: null, healthy: true }));
    this.preferred = Math.floor(options.random() * this.members.length);
  }

  /**
   * Sends a request until a member answers it or the time is up. `operation` names the contract's call. Rejects with the abort
   * reason, with DATASTORE_UNAVAILABLE when nobody answered, with DATASTORE_DENIED, or with a GrpcFailure of another code.
   */
  async call<Response>(operation: string, request: GrpcRequest, signal: AbortSignal): Promise<Answer<Response>> {
    const { clock, timeoutMs, reachability } = this.options;
    const endsAt = clock.monotonic() + timeoutMs;
    for (let attempts = 1; ; attempts++) {
      const member = this.preferredMember();
      const last = attempts >= this.members.length;
      const left = Math.max(endsAt - clock.monotonic(), 1);
      try {
        const response = await this.attempt(member, request, { timeoutMs: last ? left : left / 2, signal });
        this.noteHealth(member, null);
        reachability.succeeded(operation);
        return { response: response as Response, attempts };
      } catch (error) {
        if (!isGrpcFailure(error)) throw error;
        if (isTransient(error)) this.failOver(member, error);
        if (last || !isTransient(error) || clock.monotonic() >= endsAt) throw this.final(operation, error, attempts);
      }
    }
  }

  /**
   * Opens a stream at the preferred member. What `use` yields comes out; failures of the stream are GrpcFailure. Failing over is
   * the caller's: the next stream goes to another member.
   */
  async *stream<Request, Response, Item>(
    method: { readonly service: 'Watch'; readonly method: string },
    signal: AbortSignal,
    use: (stream: GrpcStream<Request, Response>) => AsyncIterable<Item>,
  ): AsyncGenerator<Item> {
    const member = this.preferredMember();
    let connection: EtcdConnection | null = null;
    try {
      connection = await this.connect(member);
      const token = await this.token(connection, { timeoutMs: this.tryTimeoutMs, signal });
      yield* connection.stream(method.service, method.method, token, use);
    } catch (error) {
      if (signal.aborted || error instanceof TartanError) throw error;
      const failure = isGrpcFailure(error) ? error : grpcFailure(error);
      if (isTransient(failure)) this.failOver(member, failure);
      throw failure;
    } finally {
      connection?.release();
    }
  }

  /** How many more times a stream that was refused like this may be tried: at other members, or with a new token. */
  spareAttempts(failure: GrpcFailure): number {
    if (isTransient(failure)) return this.members.length - 1;
    if (!this.options.auth.enabled) return 0;
    // A member that does not know the token says "permission denied" to a watch.
    this.options.auth.invalidate();
    return 1;
  }

  /** The limit for one of several tries, milliseconds. */
  get tryTimeoutMs(): number {
    return this.options.timeoutMs / this.members.length;
  }

  /** Aborts with what calls under way shall fail with. */
  get closed(): AbortSignal {
    return this.closing.signal;
  }

  /** Aborts when the connections in use now are given up; another signal takes its place. */
  get parted(): AbortSignal {
    return this.parting.signal;
  }

  /** Gives up every connection, whatever runs on it: a socket whose own address is gone stays silent until it times out. */
  reconnect(): void {
    const { parting } = this;
    this.parting = heardByEveryCall();
    for (const member of this.members) this.replace(member, null);
    parting.abort(new GrpcFailure(GrpcCode.UNAVAILABLE, 'the network of this host has changed'));
  }

  close(): void {
    if (this.closing.signal.aborted) return;
    this.closing.abort(closedError());
    for (const member of this.members) this.replace(member, null);
  }

  private async attempt(member: Member, request: GrpcRequest, limits: Omit<CallControl, 'token'>): Promise<unknown> {
    const { clock, auth } = this.options;
    const endsAt = clock.monotonic() + limits.timeoutMs;
    return this.untilClosed(limits.signal, async (signal) => {
      for (let retried = false; ; retried = true) {
        const control = { signal, timeoutMs: Math.max(endsAt - clock.monotonic(), 1) };
        const connection = await this.connect(member);
        let sent = false;
        try {
          const token = await this.token(connection, control);
          sent = true;
          return await connection.call(request, { ...control, token });
        } catch (error) {
          const stale = sent && auth.enabled && isGrpcFailure(error, ...TOKEN_REFUSED);
          if (retried || !stale) throw error;
          auth.invalidate();
        } finally {
          connection.release();
        }
      }
    });
  }

  /** The token is fetched for everybody, so a caller that gives up must not take it along. */
  private token(connection: EtcdConnection, limits: Omit<CallControl, 'token'>): Promise<string | null> {
    const fetched = this.options.auth.current(connection, { ...limits, signal: this.closing.signal });
    return orAbort(fetched, limits.signal);
  }

  private async untilClosed<Result>(
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    this.throwIfClosed();
    const both = new AbortController();
    const sources = [signal, this.closing.signal, this.parting.signal];
    const relays = sources.map((source) => {
      const relay = (): void => both.abort(abortReason(source));
      if (source.aborted) relay();
      else source.addEventListener('abort', relay, { once: true });
      return { source, relay };
    });
    try {
      return await run(both.signal);
    } catch (error) {
      this.throwIfClosed();
      throw error;
    } finally {
      for (const { source, relay } of relays) source.removeEventListener('abort', relay);
    }
  }

  /** The member's connection, held; the caller releases it. */
  private async connect(member: Member): Promise<EtcdConnection> {
    const tls = await this.tls();
    this.throwIfClosed();
    const { connection } = member;
    if (connection && connection.tls?.version === tls?.version) return connection.hold();
    return this.replace(member, new EtcdConnection(member.endpoint, tls)).hold();
  }

  private throwIfClosed(): void {
    if (this.closing.signal.aborted) throw abortReason(this.closing.signal);
  }

  private async tls(): Promise<Awaited<ReturnType<TlsFiles['current']>> | null> {
    try {
      return (await this.options.tlsFiles?.current()) ?? null;
    } catch (error) {
      throw new GrpcFailure(GrpcCode.UNAVAILABLE, `certificate files: ${(error as Error).message}`);
    }
  }

  private replace<Next extends EtcdConnection | null>(member: Member, next: Next): Next {
    member.connection?.retire();
    member.connection = next;
    return next;
  }

  private preferredMember(): Member {
    return this.members[this.preferred] as Member;
  }

  private failOver(member: Member, failure: GrpcFailure): void {
    this.options.tlsFiles?.suspect();
    if (failure.code === GrpcCode.DEADLINE_EXCEEDED) this.replace(member, null);
    this.noteHealth(member, failure);
    if (this.preferredMember() === member) this.preferred = (this.preferred + 1) % this.members.length;
  }

  /** One line per member and change; with a single member, Reachability says it. */
  private noteHealth(member: Member, failure: GrpcFailure | null): void {
    const healthy = failure === null;
    if (member.healthy === healthy) return;
    member.healthy = healthy;
    if (this.members.length === 1) return;
    const { logger } = this.options;
    const endpoint = member.endpoint.target;
    if (failure) logger.warn('etcd endpoint failed, using another', { endpoint, error: failure.details });
    else logger.info('etcd endpoint works again', { endpoint });
  }

  private final(operation: string, failure: GrpcFailure, attempts: number): Error {
    const { reachability } = this.options;
    const error = toTartanError(failure, operation);
    if (isTransient(failure) || error.code === 'DATASTORE_DENIED') return reachability.failed(operation, error);
    reachability.succeeded(operation);
    return new GrpcFailure(failure.code, failure.details, attempts);
  }
}

/** UNAUTHENTICATED for an unknown token; INVALID_ARGUMENT for one from before a change of users or roles. */
const TOKEN_REFUSED = [GrpcCode.UNAUTHENTICATED, GrpcCode.INVALID_ARGUMENT];

function closedError(): TartanError {
  return new TartanError('DATASTORE_UNAVAILABLE', { datastore: 'etcd', operation: 'call', reason: 'closed' });
}

async function orAbort<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = (): void => reject(abortReason(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** As many listeners as there are calls under way are no leak. */
function heardByEveryCall(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

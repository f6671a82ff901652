/**
 * One watch stream: every change of a range from a revision on, in order, or an error. It never reconnects; the caller
 * resumes at the last revision it was given.
 *
 * Which revision that is decides whether events can get lost (flannel-compat 13 E9). A response with events is complete up to the
 * revision of its last event and no further: the header's revision is the store's at the time of sending, and a member that
 * catches up sends old events under a new header. Only etcd's own progress notifications (every ten minutes by default, sent to
 * watchers that are in step) may be taken from the header. An answer to a progress *request* may not: before etcd 3.4.25 and
 * 3.5.8 it overtakes events that are still queued (etcd-io/etcd issue 15220). We ask for it all the same, as a sign of life
 * that renews no revision; a stream that used to answer and no longer does is given up.
 */
import type { IWatchCreateRequest, IWatchRequest, IWatchResponse } from 'etcd3';
import { TartanError } from '../../errors';
import { abortReason, type Clock, type Timer } from '../../runtime';
import type { GrpcStream } from './etcd-connection';
import type { KeyRange } from './etcd-keys';
import type { EtcdTransport } from './etcd-transport';
import { GrpcCode, GrpcFailure } from './grpc-failure';

/** Marks answers that concern the stream, not a watcher. */
const WHOLE_STREAM = '-1';

export interface EtcdWatchOptions {
  readonly transport: EtcdTransport;
  readonly clock: Clock;
  readonly progressIntervalMs: number;
  readonly range: KeyRange;
  readonly afterRevision: bigint;
  readonly signal: AbortSignal;
}

/** One answer: the first has no events and tells where the store stands; later ones without events are signs of life. */
export interface EtcdWatchAnswer {
  readonly revision: bigint;
  readonly clusterId: string;
  readonly events: IWatchResponse['events'];
}

type WatchStream = GrpcStream<IWatchRequest, IWatchResponse>;

/** Rejects with GrpcFailure, DATASTORE_COMPACTED, DATASTORE_DENIED, DATASTORE_UNAVAILABLE or the abort reason. */
export async function* watchRange(options: EtcdWatchOptions): AsyncGenerator<EtcdWatchAnswer> {
  const { transport, signal } = options;
  const method = { service: 'Watch', method: 'watch' } as const;
  yield* transport.stream<IWatchRequest, IWatchResponse, EtcdWatchAnswer>(method, signal, (stream) =>
    new WatchReader(options, stream).read(),
  );
}

class WatchReader {
  private revision: bigint;
  /** Why the stream is being cancelled by us. */
  private reason: Error | null = null;
  private standing = false;
  private answersRequests = false;
  private unanswered = 0;
  private timer: Timer | null = null;

  constructor(
    private readonly options: EtcdWatchOptions,
    private readonly stream: WatchStream,
  ) {
    this.revision = options.afterRevision;
  }

  async *read(): AsyncGenerator<EtcdWatchAnswer> {
    const { signal, transport } = this.options;
    const sources = [signal, transport.closed, transport.parted];
    const onAbort = (): void => this.giveUp(abortReason(sources.find(({ aborted }) => aborted) ?? signal));
    for (const source of sources) source.addEventListener('abort', onAbort, { once: true });
    try {
      if (sources.some(({ aborted }) => aborted)) onAbort();
      this.start();
      for await (const response of this.stream) {
        this.throwIfGivenUp();
        yield* this.take(response);
        this.throwIfGivenUp();
      }
      throw new GrpcFailure(GrpcCode.UNAVAILABLE, 'the watch stream ended');
    } catch (error) {
      throw this.reason ?? error;
    } finally {
      for (const source of sources) source.removeEventListener('abort', onAbort);
      this.timer?.cancel();
    }
  }

  private start(): void {
    const { range, afterRevision, clock, transport } = this.options;
    const create: IWatchCreateRequest = {
      ...range,
      start_revision: (afterRevision + 1n).toString(),
      progress_notify: true,
    };
    this.timer = clock.setTimer(transport.tryTimeoutMs, () =>
      this.giveUp(silence('the watch was not accepted in time')),
    );
    this.stream.write({ create_request: create });
  }

  private *take(response: IWatchResponse): Generator<EtcdWatchAnswer> {
    this.unanswered = 0;
    if (response.canceled) throw this.cancelled(response);
    if (response.created) {
      const store = BigInt(response.header.revision);
      this.standing = true;
      this.armProgress();
      yield this.answer(response, store < this.revision ? store : this.revision, []);
      return;
    }
    if (response.watch_id === WHOLE_STREAM) this.answersRequests = true;
    else this.revision = completeUpTo(response);
    yield this.answer(response, this.revision, response.events);
  }

  private answer(response: IWatchResponse, revision: bigint, events: IWatchResponse['events']): EtcdWatchAnswer {
    return { revision, clusterId: response.header.cluster_id, events };
  }

  /** Before the watch stands, a cancellation means that the user or the token is not accepted. */
  private cancelled({ compact_revision: compacted, cancel_reason: reason }: IWatchResponse): Error {
    if (compacted !== '0') {
      const revision = (this.options.afterRevision + 1n).toString();
      return new TartanError('DATASTORE_COMPACTED', { datastore: 'etcd', revision });
    }
    const text = reason === '' ? 'the watch was cancelled' : reason;
    return new GrpcFailure(this.standing ? GrpcCode.UNAVAILABLE : GrpcCode.PERMISSION_DENIED, text);
  }

  private armProgress(): void {
    const { clock, progressIntervalMs } = this.options;
    this.timer?.cancel();
    this.timer = clock.setTimer(progressIntervalMs, () => {
      if (this.answersRequests && this.unanswered >= 2) {
        this.giveUp(silence('the watch stopped answering'));
        return;
      }
      this.unanswered++;
      this.stream.write({ progress_request: {} });
      this.armProgress();
    });
  }

  private throwIfGivenUp(): void {
    if (this.reason) throw this.reason;
  }

  private giveUp(reason: Error): void {
    this.reason ??= reason;
    this.stream.cancel();
  }
}

function completeUpTo({ events, header }: IWatchResponse): bigint {
  const last = events.at(-1);
  return BigInt(last ? last.kv.mod_revision : header.revision);
}

function silence(reason: string): GrpcFailure {
  return new GrpcFailure(GrpcCode.DEADLINE_EXCEEDED, reason);
}

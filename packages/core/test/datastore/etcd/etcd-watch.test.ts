import type { IWatchRequest, IWatchResponse } from 'etcd3';
import { FakeClock } from '@tartan/core/testing';
import { watchRange, type EtcdWatchAnswer } from '../../../src/datastore/etcd/etcd-watch';
import type { EtcdTransport } from '../../../src/datastore/etcd/etcd-transport';
import { ScriptedStream } from './scripted-transport';

type Stream = ScriptedStream<IWatchRequest, IWatchResponse>;

const ID = '0';

function response(more: Partial<Omit<IWatchResponse, 'header'>> & { header?: { revision: string } }): IWatchResponse {
  const header = { cluster_id: '7', member_id: '1', raft_term: '2', revision: '0', ...more.header };
  const base = { watch_id: ID, created: false, canceled: false, compact_revision: '0', cancel_reason: '' };
  return { ...base, fragment: false, events: [], ...more, header };
}

function put(revision: number): IWatchResponse['events'][number] {
  const kv = { key: Buffer.from('k'), value: Buffer.from('v'), mod_revision: String(revision), create_revision: '1' };
  return { type: 'Put', kv: { ...kv, version: '1', lease: '0' }, prev_kv: null as never };
}

const created = (revision = 100): IWatchResponse => response({ created: true, header: { revision: String(revision) } });

function start(afterRevision = 50n) {
  const stream: Stream = new ScriptedStream();
  const clock = new FakeClock();
  const controller = new AbortController();
  const closed = new AbortController();
  const parted = new AbortController();
  const transport = {
    tryTimeoutMs: 5_000,
    closed: closed.signal,
    parted: parted.signal,
    stream: (_method: unknown, _signal: unknown, use: (stream: Stream) => AsyncGenerator<EtcdWatchAnswer>) =>
      use(stream),
  } as unknown as EtcdTransport;
  const range = { key: Buffer.from('a'), range_end: Buffer.from('b') };
  const { signal } = controller;
  const watch = watchRange({ transport, clock, progressIntervalMs: 60_000, range, afterRevision, signal });
  const next = async (): Promise<EtcdWatchAnswer> => (await watch.next()).value as EtcdWatchAnswer;
  return { stream, clock, controller, closed, parted, watch, next };
}

describe('etcd watch', () => {
  it('asks for what comes after the revision, with progress notifications', async () => {
    const { stream, next } = start();
    stream.feed(created());
    await next();
    expect(stream.written).toEqual([
      {
        create_request: {
          key: Buffer.from('a'),
          range_end: Buffer.from('b'),
          start_revision: '51',
          progress_notify: true,
        },
      },
    ]);
  });

  it('stands at the revision asked for, or at the store’s where that is lower', async () => {
    const behind = start(50n);
    behind.stream.feed(created(100));
    expect(await behind.next()).toEqual({ revision: 50n, clusterId: '7', events: [] });
    const ahead = start(5_000n);
    ahead.stream.feed(created(100));
    expect((await ahead.next()).revision).toBe(100n);
  });

  it('resumes at the last event, not at the header of a member that catches up', async () => {
    const { stream, next } = start();
    stream.feed(created(), response({ header: { revision: '100' }, events: [put(51), put(60)] }));
    await next();
    const answer = await next();
    expect(answer.revision).toBe(60n);
    expect(answer.events).toHaveLength(2);
  });

  it('takes the header of a progress notification, which comes in order', async () => {
    const { stream, next } = start();
    stream.feed(created(), response({ header: { revision: '90' } }));
    await next();
    expect(await next()).toEqual({ revision: 90n, clusterId: '7', events: [] });
  });

  it('does not take the header of an answer to a progress request, which may overtake events', async () => {
    const { stream, next } = start();
    stream.feed(created(), response({ watch_id: '-1', header: { revision: '99' } }), response({ events: [put(70)] }));
    await next();
    expect(await next()).toEqual({ revision: 50n, clusterId: '7', events: [] });
    expect((await next()).revision).toBe(70n);
  });

  it('asks for a sign of life while idle, and gives up when answers stay away', async () => {
    const { stream, next, clock } = start();
    stream.feed(created());
    await next();
    const pending = next();
    await clock.advance(60_000);
    expect(stream.written.at(-1)).toEqual({ progress_request: {} });
    stream.feed(response({ watch_id: '-1' }));
    await pending;
    const failing = expect(next()).rejects.toThrow('stopped answering');
    await clock.advance(180_000);
    await failing;
    expect(stream.cancelled).toBe(true);
    expect(clock.timers).toBe(0);
  });

  it('does not demand answers from an etcd that never gave one', async () => {
    const { stream, next, clock } = start();
    stream.feed(created());
    await next();
    const pending = next();
    await clock.advance(600_000);
    stream.feed(response({ events: [put(70)] }));
    expect((await pending).revision).toBe(70n);
  });

  it('gives up when the watch is not accepted in time', async () => {
    const { next, clock } = start();
    const failing = expect(next()).rejects.toMatchObject({ code: 4 });
    await clock.advance(5_000);
    await failing;
  });

  it('tells compaction, refusal and a lost leader apart', async () => {
    const compacted = start();
    compacted.stream.feed(created(), response({ canceled: true, compact_revision: '80' }));
    await compacted.next();
    await expect(compacted.next()).rejects.toMatchObject({ code: 'DATASTORE_COMPACTED', data: { revision: '51' } });
    const refused = start();
    refused.stream.feed(response({ canceled: true, created: true, cancel_reason: 'etcdserver: permission denied' }));
    await expect(refused.next()).rejects.toMatchObject({ code: 7, details: 'etcdserver: permission denied' });
    const cancelled = start();
    cancelled.stream.feed(created(), response({ canceled: true, cancel_reason: 'etcdserver: no leader' }));
    await cancelled.next();
    await expect(cancelled.next()).rejects.toMatchObject({ code: 14, details: 'etcdserver: no leader' });
  });

  it('reports a stream that just ends', async () => {
    const { stream, next } = start();
    stream.feed(created());
    stream.end();
    await next();
    await expect(next()).rejects.toMatchObject({ code: 14 });
  });

  it('ends with the reason of the abort, of the closed datastore, and of connections that were given up', async () => {
    for (const which of ['controller', 'closed', 'parted'] as const) {
      const started = start();
      started.stream.feed(created());
      await started.next();
      const reason = new Error(which);
      const failing = expect(started.next()).rejects.toBe(reason);
      started[which].abort(reason);
      await failing;
      expect(started.stream.cancelled).toBe(true);
      expect(started.clock.timers).toBe(0);
    }
  });

  it('leaves nothing behind when its reader goes away', async () => {
    const { stream, next, watch, clock } = start();
    stream.feed(created());
    await next();
    await watch.return(undefined);
    expect(clock.timers).toBe(0);
  });
});

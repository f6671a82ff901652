import { TartanError } from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { Reachability } from '../../../src/datastore/shared/reachability';

function make() {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const reachability = new Reachability({ datastore: 'etcd', clock, logger, fields: { endpoints: ['a:1'] } });
  const fail = (reason = 'connection refused'): unknown =>
    reachability.failed(
      'list',
      new TartanError('DATASTORE_UNAVAILABLE', { datastore: 'etcd', operation: 'list', reason }),
    );
  const deny = (operation: string): unknown =>
    reachability.failed(operation, new TartanError('DATASTORE_DENIED', { datastore: 'etcd', operation, reason: 'no' }));
  const messages = (): string[] => logger.lines.map(({ level, message }) => `${level} ${message}`);
  return { clock, logger, reachability, fail, deny, messages };
}

describe('reachability', () => {
  it('says nothing while all is well', () => {
    const { reachability, messages, clock } = make();
    expect(reachability.status()).toEqual({ reachable: false, since: null, lastError: null });
    reachability.succeeded('list');
    reachability.succeeded('list');
    expect(reachability.status()).toEqual({ reachable: true, since: clock.now(), lastError: null });
    expect(messages()).toEqual([]);
  });

  it('does not call a source away that answers with what nobody can use', () => {
    const { reachability, messages } = make();
    const error = new TartanError('DATASTORE_UNAVAILABLE', {
      datastore: 'file',
      operation: 'list',
      reason: 'not JSON',
    });
    reachability.failed('list', error, 'unusable');
    reachability.succeeded('list');
    expect(messages()).toEqual(['warn datastore unusable', 'info datastore usable again']);
    expect(reachability.status()).toMatchObject({ reachable: true });
  });

  it('logs an outage at once, reminds with growing pauses, and logs its end', async () => {
    const { reachability, clock, fail, messages, logger } = make();
    for (let second = 0; second < 100; second++) {
      fail();
      await clock.advance(1_000);
    }
    expect(messages()).toEqual([
      'warn datastore unreachable',
      'warn datastore still unreachable',
      'warn datastore still unreachable',
      'warn datastore still unreachable',
    ]);
    expect(logger.lines.map(({ fields }) => fields['downSeconds'])).toEqual([0, 10, 30, 70]);
    reachability.succeeded('list');
    expect(logger.lines.at(-1)).toMatchObject({
      level: 'info',
      message: 'datastore reachable again',
      fields: { datastore: 'etcd', endpoints: ['a:1'], downSeconds: 100 },
    });
    fail();
    expect(messages().at(-1)).toBe('warn datastore unreachable');
  });

  it('keeps the time of the change and the latest error', async () => {
    const { reachability, clock, fail } = make();
    fail('first');
    const since = clock.now();
    await clock.advance(5_000);
    fail('second');
    expect(reachability.status()).toMatchObject({ reachable: false, since });
    expect(reachability.status().lastError).toContain('second');
  });

  it('takes a refusal for an answer, and logs it per operation', () => {
    const { reachability, deny, messages } = make();
    deny('list');
    deny('list');
    deny('create');
    expect(reachability.status().reachable).toBe(true);
    expect(messages()).toEqual(['warn datastore refuses access', 'warn datastore refuses access']);
    reachability.succeeded('list');
    deny('list');
    expect(messages()).toHaveLength(3);
  });

  it('is not bothered by conflicts', () => {
    const { reachability } = make();
    reachability.succeeded('list');
    reachability.failed('update', new TartanError('DATASTORE_CONFLICT', { datastore: 'etcd', key: 'k' }));
    expect(reachability.status()).toMatchObject({ reachable: true, lastError: null });
  });
});

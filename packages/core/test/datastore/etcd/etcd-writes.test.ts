import { Ipv4Address, Ipv4Prefix, silentLogger, type LeaseAttrs, type LeaseRecord, TartanError } from '@tartan/core';
import { FakeClock } from '@tartan/core/testing';
import { EtcdKeys } from '../../../src/datastore/etcd/etcd-keys';
import { EtcdLeases } from '../../../src/datastore/etcd/etcd-leases';
import { EtcdWrites } from '../../../src/datastore/etcd/etcd-writes';
import { GrpcCode, GrpcFailure } from '../../../src/datastore/etcd/grpc-failure';
import { ScriptedTransport } from './scripted-transport';

const PATH = '/n/subnets/10.5.1.0-24';
const TEXT = '{"PublicIP":"192.168.50.1","PublicIPv6":null}';
const attrs: LeaseAttrs = { publicIP: Ipv4Address.parse('192.168.50.1'), publicIPv6: null, backendType: '' };
const subnets = { subnet: Ipv4Prefix.parse('10.5.1.0/24'), ipv6Subnet: null };
const { signal } = new AbortController();
const header = { revision: '9', cluster_id: '1' };
const unavailable = new TartanError('DATASTORE_UNAVAILABLE', { datastore: 'etcd', operation: 'x', reason: 'lost' });

function make() {
  const script = new ScriptedTransport();
  const transport = script.asTransport;
  const clock = new FakeClock(0);
  const leases = new EtcdLeases({ transport, clock, logger: silentLogger });
  const writes = new EtcdWrites({ keys: new EtcdKeys('/n'), leases, transport });
  return { script, writes, leases, clock };
}

/** A refused transaction that found this under the key. */
function refused(kv?: { value: string; lease: string }) {
  const found = kv && { value: Buffer.from(kv.value), lease: kv.lease, mod_revision: '8', create_revision: '8' };
  return { succeeded: false, header, responses: [{ response_range: { kvs: found ? [found] : [] } }] };
}

function record(leaseId: string): LeaseRecord {
  const handle = { path: PATH, text: TEXT, leaseId };
  const revisions = { createRevision: 5n, modRevision: 6n };
  return { key: '10.5.1.0-24', ...subnets, attrs, ...revisions, reservation: leaseId === '0', expiresAt: null, handle };
}

const changed: LeaseAttrs = { ...attrs, backendType: 'vxlan' };
const CHANGED_TEXT = '{"PublicIP":"192.168.50.1","PublicIPv6":null,"BackendType":"vxlan"}';

describe('etcd writes', () => {
  it('take a place only while no key of its network exists, and read it when refused', async () => {
    const { script, writes } = make();
    script.answer({ TTL: '60' }).answer({ succeeded: true, header });
    const made = await writes.create(subnets, attrs, 60, signal);
    expect(made).toMatchObject({ createRevision: 9n, modRevision: 9n, expiresAt: 60_000, reservation: false });
    const [grant, txn] = script.requests;
    const id = (grant?.message as { ID: string }).ID;
    expect(BigInt(id)).toBeGreaterThan(0n);
    expect(txn?.message).toEqual({
      compare: [
        {
          key: Buffer.from('/n/subnets/10.5.1.0-'),
          range_end: Buffer.from('/n/subnets/10.5.1.0.'),
          target: 'Version',
          result: 'Equal',
          version: '0',
        },
      ],
      success: [{ request_put: { key: Buffer.from(PATH), value: Buffer.from(TEXT), lease: id } }],
      failure: [{ request_range: { key: Buffer.from(PATH) } }],
    });
  });

  it('recognize their own first attempt by the etcd lease', async () => {
    const { script, writes } = make();
    script.answer({ TTL: '60' });
    const creating = writes.create(subnets, attrs, 60, signal);
    const { ID } = script.requests[0]?.message as { ID: string };
    script.answer(refused({ value: TEXT, lease: ID }), 2);
    await expect(creating).resolves.toMatchObject({ modRevision: 8n, createRevision: 8n });
    expect(script.methods).toEqual(['leaseGrant', 'txn']);
  });

  it('count a grant that exists already as theirs when they asked before', async () => {
    const { script, writes } = make();
    script.fail(new GrpcFailure(GrpcCode.FAILED_PRECONDITION, 'lease already exists', 2));
    script.answer({ succeeded: true, header });
    await expect(writes.create(subnets, attrs, 60, signal)).resolves.toMatchObject({ expiresAt: 60_000 });
  });

  it('give the lease back when the place is taken, even by equal attributes', async () => {
    const { script, writes, leases } = make();
    script.answer({ TTL: '60' }).answer(refused({ value: TEXT, lease: '77' }));
    script.answer({ TTL: '60', keys: [] }).answer({});
    await expect(writes.create(subnets, attrs, 60, signal)).rejects.toMatchObject({ code: 'DATASTORE_CONFLICT' });
    await leases.settled();
    expect(script.methods).toEqual(['leaseGrant', 'txn', 'leaseTimeToLive', 'leaseRevoke']);
  });

  it('spare a lease whose key arrived although the answer did not', async () => {
    const { script, writes, leases, clock } = make();
    script.answer({ TTL: '60' }).fail(unavailable).fail(unavailable);
    await expect(writes.create(subnets, attrs, 60, signal)).rejects.toBe(unavailable);
    await leases.settled();
    // etcd is back: the next success looks after what was left over.
    script.answer({ TTL: '58', keys: [Buffer.from(PATH)] });
    await clock.advance(1_000);
    leases.sweep();
    await leases.settled();
    await clock.advance(1_000);
    leases.sweep();
    expect(script.methods).toEqual(['leaseGrant', 'txn', 'leaseTimeToLive', 'leaseTimeToLive']);
  });

  it('wait for a lease that may come late', async () => {
    const { script, writes, leases, clock } = make();
    script.fail(unavailable).answer({ TTL: '-1', keys: [] });
    await expect(writes.create(subnets, attrs, 60, signal)).rejects.toBe(unavailable);
    await leases.settled();
    await clock.advance(1_000);
    script.answer({ TTL: '59', keys: [] }).answer({});
    leases.sweep();
    await leases.settled();
    expect(script.methods).toEqual(['leaseGrant', 'leaseTimeToLive', 'leaseTimeToLive', 'leaseRevoke']);
  });

  it('keep the etcd lease on update, start its time anew, and compare the revision', async () => {
    const { script, writes } = make();
    script.answer({ TTL: '60' }).answer({ succeeded: true, header });
    const updated = await writes.update(record('42'), changed, 60, signal);
    expect(updated).toMatchObject({ createRevision: 5n, modRevision: 9n, expiresAt: 60_000 });
    expect(script.methods).toEqual(['leaseKeepAlive', 'txn']);
    expect(script.requests[1]?.message).toMatchObject({
      compare: [{ key: Buffer.from(PATH), target: 'Mod', result: 'Equal', mod_revision: '6' }],
      success: [{ request_put: { value: Buffer.from(CHANGED_TEXT), lease: '42' } }],
    });
  });

  it('grant anew when the lease is shorter than wanted, and revoke the replaced one', async () => {
    const { script, writes, leases } = make();
    script.answer({ TTL: '10' }).answer({ TTL: '60' }).answer({ succeeded: true, header });
    script.answer({ TTL: '10', keys: [] }).answer({});
    await writes.update(record('42'), changed, 60, signal);
    await leases.settled();
    expect(script.methods).toEqual(['leaseKeepAlive', 'leaseGrant', 'txn', 'leaseTimeToLive', 'leaseRevoke']);
    expect(script.requests[4]?.message).toEqual({ ID: '42' });
  });

  it('see a repeated update on the same lease as done, but not a first one', async () => {
    const repeated = make();
    repeated.script.answer({ TTL: '60' }).answer(refused({ value: CHANGED_TEXT, lease: '42' }), 2);
    await expect(repeated.writes.update(record('42'), changed, 60, signal)).resolves.toMatchObject({ modRevision: 8n });
    const first = make();
    first.script.answer({ TTL: '60' }).answer(refused({ value: CHANGED_TEXT, lease: '42' }));
    await expect(first.writes.update(record('42'), changed, 60, signal)).rejects.toMatchObject({
      code: 'DATASTORE_CONFLICT',
    });
  });

  it('give a reservation neither lease nor time', async () => {
    const { script, writes } = make();
    script.answer({ succeeded: true, header });
    const updated = await writes.update(record('0'), changed, 60, signal);
    expect(updated).toMatchObject({ reservation: true, expiresAt: null });
    expect(script.requests[0]?.message).toMatchObject({ success: [{ request_put: { lease: '0' } }] });
  });

  it('call it a conflict when the etcd lease ends between the calls', async () => {
    const { script, writes } = make();
    script.answer({ TTL: '60' }).fail(new GrpcFailure(GrpcCode.NOT_FOUND, 'requested lease not found'));
    await expect(writes.update(record('42'), changed, 60, signal)).rejects.toMatchObject({
      code: 'DATASTORE_CONFLICT',
    });
  });

  it('refuse before anything is sent what flanneld could not read', async () => {
    const { script, writes } = make();
    const tooLong = { subnet: Ipv4Prefix.parse('10.5.1.1/32'), ipv6Subnet: null };
    await expect(writes.create(tooLong, attrs, 60, signal)).rejects.toMatchObject({ code: 'DATASTORE_UNWRITABLE' });
    expect(script.requests).toEqual([]);
  });
});

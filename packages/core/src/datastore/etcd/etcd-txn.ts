import type { ICompare, IKeyValue, IRequestOp, ITxnResponse } from 'etcd3';
import type { KeyRange } from './etcd-keys';

/*
 * The pieces of our transactions. A compare over a range holds when it holds for every key in it, and over a range without keys
 * when it holds for a key that does not exist: version 0 therefore means "nothing here" (etcd 3.3 and later).
 */

export function emptyRange(range: KeyRange): ICompare {
  return { ...range, target: 'Version', result: 'Equal', version: '0' };
}

export function atRevision(path: string, revision: bigint): ICompare {
  return { key: Buffer.from(path), target: 'Mod', result: 'Equal', mod_revision: revision.toString() };
}

export function put(path: string, text: string, leaseId: string): IRequestOp {
  return { request_put: { key: Buffer.from(path), value: Buffer.from(text), lease: leaseId } };
}

export function remove(path: string): IRequestOp {
  return { request_delete_range: { key: Buffer.from(path) } };
}

export function getKey(path: string): IRequestOp {
  return { request_range: { key: Buffer.from(path) } };
}

/** The key that the first operation of a transaction, a getKey, found. */
export function foundKey({ responses }: ITxnResponse): IKeyValue | undefined {
  return responses[0]?.response_range.kvs[0];
}

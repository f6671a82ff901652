import { TartanError, type TartanError as AnyTartanError } from '@tartan/core';

export const DATASTORE_NAME = 'kubernetes';

/** What a call was for, for errors: `list nodes`, `patch node n1`. */
export interface FailedCall {
  readonly operation: string;
  /** Key for not-found and conflict: `nodes/n1`. */
  readonly key: string;
}

/** What the server says instead of an answer (metav1.Status). */
export interface StatusBody {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** The permissions that the daemon needs, for messages. */
const NEEDED = 'the ClusterRole needs get, list, watch on nodes and patch on nodes/status';

/** An HTTP status that is not a success, as one of the datastore's errors. */
export function failureOf(status: number, body: StatusBody, call: FailedCall): AnyTartanError {
  const datastore = DATASTORE_NAME;
  const { operation, key } = call;
  const reason = body.message ?? body.reason ?? `HTTP status ${status}`;
  switch (status) {
    case 401:
      return new TartanError('DATASTORE_DENIED', { datastore, operation, reason: `${reason} (token or certificate)` });
    case 403:
      return new TartanError('DATASTORE_DENIED', { datastore, operation, reason: `${reason}; ${NEEDED}` });
    case 404:
      return new TartanError('DATASTORE_NOT_FOUND', { datastore, key });
    case 409:
      return new TartanError('DATASTORE_CONFLICT', { datastore, key });
    case 410:
      return new TartanError('DATASTORE_COMPACTED', { datastore, revision: reason });
    default:
      return unavailable(operation, reason);
  }
}

export function unavailable(operation: string, reason: string, cause?: unknown): AnyTartanError {
  return new TartanError('DATASTORE_UNAVAILABLE', { datastore: DATASTORE_NAME, operation, reason }, { cause });
}

/** `status` is worth another server: this one is overloaded, starting, or ending. */
export function isServerTrouble(status: number): boolean {
  return status >= 500 || status === 429;
}

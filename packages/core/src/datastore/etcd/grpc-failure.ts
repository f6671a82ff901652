import { TartanError } from '../../errors';

/** The gRPC status codes that we tell apart (grpc.github.io/grpc/core/md_doc_statuscodes.html). */
export const GrpcCode = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** What etcd, or the way to it, answered. Kept apart from TartanError because some codes are expected by some calls. */
export class GrpcFailure extends Error {
  constructor(
    readonly code: number,
    readonly details: string,
    /** How many times the request was sent; above 1, an earlier one may have been carried out. */
    readonly attempts = 1,
  ) {
    super(details);
    this.name = 'GrpcFailure';
  }
}

export function isGrpcFailure(error: unknown, ...codes: number[]): error is GrpcFailure {
  return error instanceof GrpcFailure && (codes.length === 0 || codes.includes(error.code));
}

const ANSWERED: ReadonlySet<number> = new Set([
  GrpcCode.INVALID_ARGUMENT,
  GrpcCode.NOT_FOUND,
  GrpcCode.PERMISSION_DENIED,
  GrpcCode.FAILED_PRECONDITION,
  GrpcCode.OUT_OF_RANGE,
  GrpcCode.UNAUTHENTICATED,
]);

/** True when another endpoint, or the same one later, may do better. */
export function isTransient(failure: GrpcFailure): boolean {
  return !ANSWERED.has(failure.code);
}

/** The contract's error for a failure that the call did not expect. Decided by code; the text is only shown. */
export function toTartanError(failure: GrpcFailure, operation: string): TartanError {
  const data = { datastore: 'etcd', operation, reason: failure.details };
  switch (failure.code) {
    // etcd answers INVALID_ARGUMENT for a wrong password and for a missing user name.
    case GrpcCode.INVALID_ARGUMENT:
    case GrpcCode.PERMISSION_DENIED:
    case GrpcCode.UNAUTHENTICATED:
      return new TartanError('DATASTORE_DENIED', data, { cause: failure });
    default:
      return new TartanError('DATASTORE_UNAVAILABLE', data, { cause: failure });
  }
}

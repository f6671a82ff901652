import { constants } from 'node:os';
import { TartanError } from '@tartan/core';

/** Name of an errno as libuv and the C library spell it: `EEXIST`. */
export type ErrnoName = keyof typeof constants.errno;

const names = new Map<number, ErrnoName>();
for (const [name, value] of Object.entries(constants.errno) as [ErrnoName, number][]) {
  // EWOULDBLOCK and EOPNOTSUPP share a number with EAGAIN and ENOTSUP on Linux; the kernel's own name wins.
  if (!names.has(value) || name === 'EAGAIN' || name === 'EOPNOTSUPP') names.set(value, name);
}

/** `errno` is positive, as in errno.h. A number that libuv has no name for is written as `errno 524`. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

/** The positive number of a name. */
export function errnoNumber(name: ErrnoName): number {
  return constants.errno[name];
}

/**
 * The kernel's answer to a request as the error that callers see. `errno` is positive; `offset` is the byte of the request that
 * the kernel objects to.
 */
export function kernelRefused(
  operation: string,
  errno: number,
  extendedAck?: string,
  offset?: number,
): TartanError<'KERNEL_REFUSED'> {
  return new TartanError('KERNEL_REFUSED', {
    operation,
    errno,
    errnoName: errnoName(errno),
    ...(extendedAck === undefined ? {} : { extendedAck }),
    ...(offset === undefined ? {} : { offset }),
  });
}

/** The socket itself failed: nothing is known about what the kernel did with the request. */
export function kernelSocket(operation: string, errno: ErrnoName, cause?: unknown): TartanError<'KERNEL_SOCKET'> {
  return new TartanError('KERNEL_SOCKET', { operation, errnoName: errno }, cause === undefined ? {} : { cause });
}

const gone = new Set((['ENOENT', 'ESRCH', 'ENODEV', 'EADDRNOTAVAIL'] as const).map(errnoNumber));

/** True for the errnos by which the kernel says that what should be deleted is not there, or its device is not. */
export function meansGone(errno: number): boolean {
  return gone.has(errno);
}

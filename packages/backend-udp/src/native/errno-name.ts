import { getSystemErrorName } from 'node:util';

/** EBADFD as well as EPERM: `EPERM`; what Node does not know: `errno 77`. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `errno ${errno}`;
  }
}

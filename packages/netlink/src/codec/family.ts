import type { IpFamily } from '@tartan/core';
import { AF } from './constants';

export function familyNumber(family: IpFamily): number {
  return family === 4 ? AF.inet : AF.inet6;
}

/** Undefined for families other than AF_INET and AF_INET6. */
export function toFamily(number: number): IpFamily | undefined {
  if (number === AF.inet) return 4;
  return number === AF.inet6 ? 6 : undefined;
}

/** Bytes of an address. */
export function familyBytes(family: IpFamily): number {
  return family === 4 ? 4 : 16;
}

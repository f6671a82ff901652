import { integerMember } from '../config';
import { TartanError } from '../errors';
import type { ExternalInterface } from '../iface';
import type { IpFamily } from '../ip';
import type { Finding } from '../reconcile';

/*
 * The MTU of a backend that puts headers around packets. Its option `MTU` is that of the network between the hosts, not of the
 * device: it is the figure which an operator knows, and stays right whatever the headers of the tunnel are.
 */

/** RFC 8200 section 5; below it Linux switches IPv6 off on a device (addrconf_notify in net/ipv6/addrconf.c, v6.1). */
export const MIN_IPV6_MTU_BYTES = 1280;
/** RFC 791: what every host must take in one piece. */
export const MIN_IPV4_MTU_BYTES = 576;

/** Member `MTU` of a tunnel backend's schema; 0 stands for the interface's. */
export const underlayMtuMember = integerMember({
  default: 0,
  min: 0,
  max: 65535,
  unit: 'bytes',
  help: 'MTU of the network between the hosts where it is smaller than that of the interface. 0 is the interface’s.',
});

/**
 * The value of {@link underlayMtuMember} as the other functions here want it: null for 0. Throws CONFIG_INVALID when not even an
 * IPv4 packet of the smallest size would fit between headers of `overheadBytes`.
 */
export function readUnderlayMtu(mtuBytes: number, overheadBytes: number): number | null {
  const minimum = MIN_IPV4_MTU_BYTES + overheadBytes;
  if (mtuBytes === 0) return null;
  if (mtuBytes >= minimum) return mtuBytes;
  throw new TartanError('CONFIG_INVALID', {
    key: 'Backend.MTU',
    value: String(mtuBytes),
    expected: `0, or at least ${minimum} bytes`,
  });
}

export interface TunnelMtuInput {
  /** For the error. */
  readonly backend: string;
  /** MTU between the hosts as the operator states it; null where the interface's counts. */
  readonly underlayMtuBytes: number | null;
  readonly external: Pick<ExternalInterface, 'ifname' | 'mtuBytes'>;
  /** What the tunnel adds to each inner packet. */
  readonly overheadBytes: number;
  /** Of the inner packets; 6 where both families are among them. */
  readonly family: IpFamily;
}

/**
 * Largest inner packet. The interface cannot carry more than its own MTU, so the smaller of both counts. Throws
 * BACKEND_MTU_TOO_SMALL where less is left than the inner family must have.
 */
export function tunnelMtuBytes({ backend, underlayMtuBytes, external, overheadBytes, family }: TunnelMtuInput): number {
  const underlay = Math.min(underlayMtuBytes ?? external.mtuBytes, external.mtuBytes);
  const mtuBytes = underlay - overheadBytes;
  const minimum = family === 4 ? MIN_IPV4_MTU_BYTES : MIN_IPV6_MTU_BYTES;
  if (mtuBytes >= minimum) return mtuBytes;
  throw new TartanError('BACKEND_MTU_TOO_SMALL', {
    backend,
    family,
    ifname: external.ifname,
    underlayMtuBytes: underlay,
    neededMtuBytes: minimum + overheadBytes,
  });
}

export interface MtuClampedInput extends Pick<TunnelMtuInput, 'underlayMtuBytes' | 'external'> {
  /** The finding's name. */
  readonly code: string;
}

/** Says it when the operator's MTU is more than the interface can carry. */
export function mtuClampedFindings({ code, underlayMtuBytes, external }: MtuClampedInput): Finding[] {
  if (underlayMtuBytes === null || underlayMtuBytes <= external.mtuBytes) return [];
  return [
    {
      severity: 'warning',
      code,
      subject: 'Backend.MTU',
      message: `the MTU ${underlayMtuBytes} is larger than that of ${external.ifname}, ${external.mtuBytes}, which counts`,
      cure: `Raise the MTU of ${external.ifname} on all hosts and switches between them, or drop the option.`,
    },
  ];
}

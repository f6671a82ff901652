import { TartanError, type ErrorData } from '@tartan/core';
import type { PacketLoopOptions } from '../packet-loop';
import { errnoName } from './errno-name';
import type { NativeFailure } from './native-addon';

/** The error of PACKET_LOOP_* that says what the operator can do about a failed start. */
export function startError(options: PacketLoopOptions, { errno, call }: NativeFailure): TartanError {
  const errnoText = errnoName(errno);
  const tunName = options.tunName;
  const data: ErrorData<'PACKET_LOOP_FAILED'> = { operation: call, errno, errnoName: errnoText };
  if (call === 'open /dev/net/tun' && (errnoText === 'ENOENT' || errnoText === 'ENODEV' || errnoText === 'ENXIO')) {
    return new TartanError('PACKET_LOOP_NO_TUN', { errno, errnoName: errnoText });
  }
  if (errnoText === 'EPERM' || errnoText === 'EACCES') return new TartanError('PACKET_LOOP_NOT_PERMITTED', data);
  if (call === 'TUNSETIFF' && (errnoText === 'EINVAL' || errnoText === 'EBUSY')) {
    return new TartanError('PACKET_LOOP_TUN_TAKEN', { tunName, errno, errnoName: errnoText });
  }
  if (call === 'bind') return bindError(options, errno, errnoText);
  return new TartanError('PACKET_LOOP_FAILED', data);
}

function bindError({ listen }: PacketLoopOptions, errno: number, name: string): TartanError {
  const addresses = [listen.ipv4, listen.ipv6].flatMap((address) => (address ? [address.toString()] : []));
  return new TartanError(name === 'EADDRINUSE' ? 'PACKET_LOOP_PORT_IN_USE' : 'PACKET_LOOP_CANNOT_LISTEN', {
    addresses,
    port: listen.port,
    errno,
    errnoName: name,
  });
}

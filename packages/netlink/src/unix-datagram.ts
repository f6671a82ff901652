import { loadNativeAddon } from './transport/native-addon';

/**
 * Sends one datagram to an AF_UNIX address from this very process, so that the receiver sees our own pid (SO_PASSCRED, unix(7)).
 * A path that starts with `@` is an abstract name. Never blocks. Throws a system error with `code`: ENOENT, ECONNREFUSED, EAGAIN,
 * EACCES, ENAMETOOLONG, ...
 */
export type UnixDatagramSender = (path: string, data: Uint8Array) => void;

/** The function, or undefined where the native addon is not built: Node itself has no AF_UNIX datagram sockets. */
export function unixDatagramSender(): UnixDatagramSender | undefined {
  const addon = loadNativeAddon();
  return addon && ((path, data) => addon.sendUnixDatagram(path, data));
}

import { constants } from 'node:os';
import type * as netlink from 'netlink';
import { errnoOf, NETLINK_PROTOCOL, type NetlinkSocket, type SocketListener, type Transport } from './transport';

/*
 * The npm netlink library as transport, for machines where the addon is not built. It cannot set SOL_NETLINK options: errors
 * come without the kernel's text, and dumps are filtered here. On an overrun its poll sees POLLERR, which libuv reports as
 * EBADF, and the library closes the socket; so an overrun is a failure here, after which the layer above opens a new one.
 */

type Library = typeof netlink;

/** Undefined when the library is not installed or has no binary for this machine. */
export function libraryTransport(receiveBufferBytes: number): Transport | undefined {
  const library = loadLibrary();
  if (!library) return undefined;
  return {
    name: 'library',
    extendedAck: false,
    open: (listener, protocol) => new LibrarySocket(library, receiveBufferBytes, listener, protocol),
  };
}

function loadLibrary(): Library | undefined {
  try {
    // Loaded only when it is needed: it brings tables of all netlink families.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    return require('netlink') as Library;
  } catch {
    return undefined;
  }
}

class LibrarySocket implements NetlinkSocket {
  readonly receiveBufferBytes: number;
  readonly strictCheck = false;
  private readonly socket: netlink.RawNetlinkSocket;
  private open = true;

  constructor(
    library: Library,
    receiveBufferBytes: number,
    private readonly listener: SocketListener,
    protocol: number = NETLINK_PROTOCOL.route,
  ) {
    this.socket = new library.RawNetlinkSocket(protocol, {
      recvBufferSize: receiveBufferBytes,
      // The default is enough for every batch; 0 would ask the library for another one.
      sendBufferSize: 212_992,
    });
    this.receiveBufferBytes = this.socket.getRecvBufferSize();
    this.socket.unref();
    this.socket.on('message', (bytes, { port }) => {
      // Only the kernel is listened to: any process may write to our port.
      if (this.open && port === 0) listener.onMessages(viewOf(bytes), bytes.length);
    });
    this.socket.on('truncatedMessage', () => this.fail(constants.errno.ENOBUFS));
    this.socket.on('error', (error) => {
      this.fail(error.code === 'EBADF' ? constants.errno.ENOBUFS : errnoOf(error));
    });
  }

  join(group: number): void {
    this.socket.addMembership(group);
  }

  send(bytes: Buffer): void {
    this.socket.send(bytes, undefined, (error) => {
      if (error) this.fail(errnoOf(error));
    });
  }

  ref(): void {
    if (this.open) this.socket.ref();
  }

  unref(): void {
    if (this.open) this.socket.unref();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.socket.close();
  }

  private fail(errno: number): void {
    if (!this.open) return;
    this.close();
    this.listener.onFailure(errno);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

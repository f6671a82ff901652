import { constants } from 'node:os';
import { CODE, OPTION, type NativeAddon, type NativeSocket } from './native-addon';
import { NETLINK_PROTOCOL, type NetlinkSocket, type SocketListener, type Transport } from './transport';

/** Room for sixteen of the largest dump datagrams per call into JavaScript. */
const RECEIVE_BYTES = 512 * 1024;

/** Shared by all sockets of this thread: it is used only while a callback runs, and callbacks do not nest. */
let receiveBytes: Uint8Array | undefined;

export interface NativeTransportOptions {
  readonly addon: NativeAddon;
  /** Path of a network namespace; '' for the process's own. */
  readonly netns: string;
  readonly receiveBufferBytes: number;
}

/** Sockets of the package's own addon. */
export function nativeTransport(options: NativeTransportOptions): Transport {
  return {
    name: 'native',
    extendedAck: true,
    open: (listener, protocol) => new NativeTransportSocket(options, listener, protocol),
  };
}

class NativeTransportSocket implements NetlinkSocket {
  readonly receiveBufferBytes: number;
  readonly strictCheck: boolean;
  private readonly socket: NativeSocket;

  constructor(
    { addon, netns, receiveBufferBytes }: NativeTransportOptions,
    listener: SocketListener,
    protocol: number = NETLINK_PROTOCOL.route,
  ) {
    receiveBytes ??= new Uint8Array(RECEIVE_BYTES);
    const view = new DataView(receiveBytes.buffer);
    const onReceive = (length: number, code: number): void => {
      if (length > 0) listener.onMessages(view, length);
      else if (code === CODE.overrun || code === CODE.truncated) listener.onOverrun();
      else listener.onFailure(code < 0 ? -code : constants.errno.EIO);
    };
    this.socket = new addon.Socket(netns, receiveBufferBytes, receiveBytes, onReceive, protocol);
    this.receiveBufferBytes = this.socket.receiveBufferBytes;
    this.strictCheck = (this.socket.options & OPTION.strictCheck) !== 0;
  }

  join(group: number): void {
    this.socket.addMembership(group);
  }

  send(bytes: Buffer): void {
    this.socket.send(bytes, bytes.length);
  }

  ref(): void {
    this.socket.ref();
  }

  unref(): void {
    this.socket.unref();
  }

  close(): void {
    this.socket.close();
  }
}

import { silentLogger, systemClock, type Clock, type Logger, type NftGeneration } from '@tartan/core';
import { decodeAck } from './codec/ack';
import { NETWORK_ORDER } from './codec/byte-order';
import { NLM_F, NLMSG } from './codec/constants';
import { AttributeCursor, type MessageCursor } from './codec/message-reader';
import { Connection } from './connection';
import { namespacePath } from './create-rt-netlink';
import { errnoNumber, kernelRefused } from './errno';
import { chooseTransport, type TransportChoice } from './transport/choose-transport';
import { NETLINK_PROTOCOL, type Transport } from './transport/transport';

/*
 * The generation number of nftables, by one message there and one back. include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h, v6.1:
 *
 *   nlmsghdr, type NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN
 *   nfgenmsg: family u8 | version u8 | res_id u16
 *   answer:   NFTA_GEN_ID u32 in network order, and who asked
 */

const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWGEN = (NFNL_SUBSYS_NFTABLES << 8) | 15;
const NFT_MSG_GETGEN = (NFNL_SUBSYS_NFTABLES << 8) | 16;
const NFTA_GEN_ID = 1;
const NFGENMSG_BYTES = 4;
/** The answer is 48 bytes long. */
const RECEIVE_BUFFER_BYTES = 64 * 1024;
const OPERATION = 'read the generation of nftables';

export interface NftGenerationOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** As in RtNetlinkOptions. */
  readonly netns?: string | number;
  readonly transport?: TransportChoice;
  /** How long the kernel may stay silent, milliseconds; 5,000 unless told. */
  readonly timeoutMs?: number;
}

/** Opens no socket before the first call. Throws KERNEL_SOCKET when no transport can be loaded, or none that can do what is asked for. */
export function createNftGeneration(options: NftGenerationOptions = {}): NftGeneration {
  const { logger = silentLogger, clock = systemClock, timeoutMs = 5_000 } = options;
  const transport = chooseTransport({
    choice: options.transport ?? 'auto',
    netns: namespacePath(options.netns),
    receiveBufferBytes: RECEIVE_BUFFER_BYTES,
    logger,
  });
  return nftGenerationOver(transport, { clock, timeoutMs });
}

/** For tests with a transport of their own. */
export function nftGenerationOver(
  transport: Transport,
  timing: { readonly clock: Clock; readonly timeoutMs: number },
): NftGeneration {
  const connection = new Connection({ transport, ...timing, protocol: NETLINK_PROTOCOL.netfilter });
  return {
    read: () => connection.exclusive(OPERATION, () => ask(connection)),
    close: () => connection.close(),
  };
}

async function ask(connection: Connection): Promise<number> {
  const first = connection.start();
  encodeRequest(connection, connection.nextSequence());
  let generation: number | undefined;
  await connection.exchange(OPERATION, first, (message) => {
    if (message.type === NLMSG.error) throw kernelRefused(OPERATION, decodeAck(message).errno);
    if (message.type === NFT_MSG_NEWGEN) generation = decodeGeneration(message);
    return message.type === NFT_MSG_NEWGEN;
  });
  if (generation === undefined) throw kernelRefused(OPERATION, errnoNumber('EBADMSG'));
  return generation;
}

function encodeRequest({ writer }: Connection, sequence: number): void {
  writer.startMessage(NFT_MSG_GETGEN, NLM_F.request, sequence);
  // nfgenmsg: any family, NFNETLINK_V0, no resource.
  writer.u32(0);
  writer.endMessage();
}

function decodeGeneration({ view, start, end }: MessageCursor): number | undefined {
  const attributes = new AttributeCursor(view, start + NFGENMSG_BYTES, end);
  while (attributes.next()) {
    if (attributes.type === NFTA_GEN_ID && attributes.size === 4)
      return view.getUint32(attributes.start, NETWORK_ORDER);
  }
  return undefined;
}

import { HOST_ORDER } from './byte-order';
import { NLM_F, NLMSG, NLMSGERR_ATTR, SIZE } from './constants';
import { AttributeCursor, type MessageCursor } from './message-reader';

/** What NLMSG_ERROR or NLMSG_DONE says. */
export interface Ack {
  /** Positive; 0 is success. */
  readonly errno: number;
  /** The kernel's text (NLMSGERR_ATTR_MSG). */
  readonly extendedAck?: string;
  /** Byte of the request that the kernel objects to (NLMSGERR_ATTR_OFFS). */
  readonly offset?: number;
}

/**
 * Reads NLMSG_ERROR or NLMSG_DONE. include/uapi/linux/netlink.h and netlink_ack() of net/netlink/af_netlink.c, v6.1:
 *
 *   NLMSG_ERROR: error s32 | nlmsghdr of the request | rest of the request unless NLM_F_CAPPED | attributes if NLM_F_ACK_TLVS
 *   NLMSG_DONE:  error s32 | attributes if NLM_F_ACK_TLVS
 *
 * A message too short to hold an error counts as EBADMSG, never as success.
 */
export function decodeAck(message: MessageCursor): Ack {
  const { view, start, end, flags } = message;
  if (end - start < 4) return message.type === NLMSG.done ? { errno: 0 } : { errno: 74 };
  const errno = Math.abs(view.getInt32(start, HOST_ORDER));
  if ((flags & NLM_F.ackTlvs) === 0) return { errno };
  return { errno, ...extendedAck(new AttributeCursor(view, attributesAt(message), end)) };
}

function attributesAt({ view, type, start, end, flags }: MessageCursor): number {
  const behindError = start + 4;
  if (type === NLMSG.done) return behindError;
  if (behindError + SIZE.nlmsghdr > end) return end;
  if (flags & NLM_F.capped) return behindError + SIZE.nlmsghdr;
  return Math.min(end, (behindError + ((view.getUint32(behindError, HOST_ORDER) + 3) & ~3)) >>> 0);
}

function extendedAck(attributes: AttributeCursor): Omit<Ack, 'errno'> {
  let text: string | undefined;
  let offset: number | undefined;
  while (attributes.next()) {
    if (attributes.type === NLMSGERR_ATTR.message) text = attributes.text();
    else if (attributes.type === NLMSGERR_ATTR.offset) offset = attributes.u32();
  }
  return {
    ...(text === undefined || text === '' ? {} : { extendedAck: text }),
    ...(offset === undefined ? {} : { offset }),
  };
}

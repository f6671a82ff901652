import { HOST_ORDER } from '../../src/codec/byte-order';
import { NLA_F_NESTED, NLM_F } from '../../src/codec/constants';
import { AttributeCursor, MessageCursor } from '../../src/codec/message-reader';

export interface Dissected {
  readonly type: number;
  /** Without the ack bit. */
  readonly flags: number;
  /** The fixed part as hex. */
  readonly fixed: string;
  /** By attribute type: payload as hex, or again attributes. */
  readonly attributes: Attributes;
}
export interface Attributes {
  readonly [type: number]: string | Attributes;
}

/**
 * One message in a form in which the order of attributes does not matter. `nested` names attribute types, at whatever depth,
 * that hold attributes; iproute2 does not always set NLA_F_NESTED on them.
 */
export function dissect(bytes: Buffer, fixedSize: number, nested: readonly number[][] = []): Dissected {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const message = new MessageCursor(view);
  if (!message.next() || message.end !== bytes.length) throw new Error('not exactly one message');
  return {
    type: message.type,
    flags: message.flags & ~NLM_F.ack,
    fixed: bytes.subarray(message.start, message.start + fixedSize).toString('hex'),
    attributes: walk(view, message.start + fixedSize, message.end, nested, []),
  };
}

function walk(view: DataView, start: number, end: number, nested: readonly number[][], path: number[]): Attributes {
  const found: Record<number, string | Attributes> = {};
  const cursor = new AttributeCursor(view, start, end);
  while (cursor.next()) {
    const here = [...path, cursor.type];
    const flagged = (view.getUint16(cursor.start - 2, HOST_ORDER) & NLA_F_NESTED) !== 0;
    const isNested = flagged || nested.some((one) => one.join() === here.join());
    found[cursor.type] = isNested
      ? walk(view, cursor.start, cursor.end, nested, here)
      : Buffer.from(view.buffer, view.byteOffset + cursor.start, cursor.size).toString('hex');
  }
  return found;
}

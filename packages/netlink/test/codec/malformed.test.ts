import * as fc from 'fast-check';
import { MacAddress, parseIpAddress, parseIpPrefix } from '@tartan/core';
import { decodeAck } from '../../src/codec/ack';
import { encodeAddressReplace } from '../../src/codec/address-codec';
import { NLMSG, RTM } from '../../src/codec/constants';
import { encodeLinkCreate } from '../../src/codec/link-codec';
import { AttributeCursor, MessageCursor } from '../../src/codec/message-reader';
import { MessageWriter } from '../../src/codec/message-writer';
import { encodeFdbReplace, encodeNeighbourReplace } from '../../src/codec/neighbour-codec';
import { decodeRoute } from '../../src/codec/route-codec';
import { encodeRoute } from '../../src/codec/route-requests';
import { decodeEvent } from '../../src/decode-event';

const mac = MacAddress.parse('02:00:00:00:00:01');
const address = parseIpAddress('192.0.2.1');

/** One message of every kind that Tartan reads. */
function wellFormed(): Buffer {
  const writer = new MessageWriter();
  const vxlan = { vni: 7, port: 8472, learning: true, gbp: true, local: address, lowerIndex: 3 };
  encodeLinkCreate(writer, { name: 'vx0', kind: 'vxlan', mtuBytes: 1450, mac, vxlan }, 1);
  encodeAddressReplace(writer, { ifindex: 3, address: parseIpAddress('2001:db8::1'), prefixLength: 64 }, 2);
  const route = { dst: parseIpPrefix('10.5.1.0/24'), protocol: 70, gateway: address, oif: 3, mtuBytes: 1400 };
  encodeRoute(writer, route, 'replace', 3);
  encodeRoute(writer, { ...route, gateway: parseIpAddress('fe80::1') }, 'replace', 4);
  encodeNeighbourReplace(writer, { ifindex: 3, address, mac }, 5);
  encodeFdbReplace(writer, { ifindex: 4, mac, dst: address }, 6);
  return Buffer.from(writer.bytes);
}

/** Reads everything that can be read; returns how many messages there were. */
function readAll(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const cursor = new MessageCursor(view);
  let messages = 0;
  let before = 0;
  while (cursor.next()) {
    messages++;
    if (cursor.start <= before || cursor.end > bytes.length) throw new Error('the cursor went back or out of bounds');
    before = cursor.start;
    decodeEvent(cursor);
    decodeRoute(view, cursor.start, cursor.end, true);
    decodeAck(cursor);
  }
  return messages;
}

describe('malformed input', () => {
  test('any bytes at all are read without crash or endless loop', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 512 }), (bytes) => void readAll(bytes)),
      { numRuns: 2_000 },
    );
  });

  test('damaged messages are read without crash or endless loop', () => {
    const intact = wellFormed();
    expect(readAll(intact)).toBe(6);
    const place = fc.integer({ min: 0, max: intact.length - 1 });
    const damage = fc.array(fc.tuple(place, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(damage, fc.integer({ min: 0, max: intact.length }), (changes, length) => {
        const bytes = Uint8Array.from(intact);
        for (const [at, value] of changes) bytes[at] = value;
        readAll(bytes.subarray(0, length));
      }),
      { numRuns: 2_000 },
    );
  });

  test('every message type with every length of random body', () => {
    const type = fc.constantFrom(...Object.values(RTM), ...Object.values(NLMSG));
    fc.assert(
      fc.property(type, fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 96 }), (one, flags, body) => {
        const writer = new MessageWriter();
        writer.startMessage(one, flags, 1);
        for (const value of body) writer.u8(value);
        writer.endMessage();
        if (readAll(writer.bytes) !== 1) throw new Error('not one message');
      }),
      { numRuns: 2_000 },
    );
  });

  test('an attribute of length zero ends the walk', () => {
    const cursor = new AttributeCursor(new DataView(new ArrayBuffer(64)), 0, 64);
    expect(cursor.next()).toBe(false);
  });

  test('an error message too short to hold an error is not taken for success', () => {
    const writer = new MessageWriter();
    writer.startMessage(NLMSG.error, 0, 1);
    writer.u16(0);
    writer.endMessage();
    const { buffer, byteOffset, byteLength } = writer.bytes;
    const cursor = new MessageCursor(new DataView(buffer, byteOffset, byteLength));
    expect(cursor.next()).toBe(true);
    expect(decodeAck(cursor).errno).not.toBe(0);
  });
});

import * as fc from 'fast-check';
import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  MacAddress,
  type FdbSpec,
  type InterfaceAddressSpec,
  type IpAddress,
  type NeighbourSpec,
  type RouteSpec,
  type VxlanData,
} from '@tartan/core';
import { decodeAddress, encodeAddressReplace } from '../../src/codec/address-codec';
import { decodeLink, encodeLinkCreate } from '../../src/codec/link-codec';
import { MessageCursor } from '../../src/codec/message-reader';
import { MessageWriter } from '../../src/codec/message-writer';
import { decodeFdb, decodeNeighbour, encodeFdbReplace, encodeNeighbourReplace } from '../../src/codec/neighbour-codec';
import { decodeRoute } from '../../src/codec/route-codec';
import { encodeRoute } from '../../src/codec/route-requests';

/* The kernel answers in the layout in which it is asked, so what the encoders write the decoders must read back. */

const ipv4 = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value) => Ipv4Address.fromNumber(value));
const ipv6 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => Ipv6Address.fromBigInt(value));
const address: fc.Arbitrary<IpAddress> = fc.oneof(ipv4, ipv6);
const prefix = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([one, length]) => Ipv4Prefix.of(one, length)),
  fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([one, length]) => Ipv6Prefix.of(one, length)),
);
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => MacAddress.fromBytes(bytes));
const ifindex = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const byte = fc.integer({ min: 0, max: 255 });
const name = fc.stringMatching(/^[a-zä.-]{1,7}$/u).filter((text) => Buffer.byteLength(text) < 16);

/** Only members that are there, as both sides leave out what is absent. */
function present<Type extends object>(value: Type): Type {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Type;
}

/** Encodes with a writer that has to grow, behind another message, and decodes with `decode`. */
function roundTrip<Item>(
  encode: (writer: MessageWriter) => void,
  decode: (view: DataView, start: number, end: number) => Item,
): Item {
  const writer = new MessageWriter(8);
  writer.startMessage(1, 0, 0);
  writer.u8(0);
  writer.endMessage();
  writer.u8(0);
  writer.u16(0);
  encode(writer);
  const { buffer, byteOffset, byteLength } = writer.bytes;
  const cursor = new MessageCursor(new DataView(buffer, byteOffset, byteLength));
  expect(cursor.next() && cursor.next()).toBe(true);
  expect(cursor.end).toBe(writer.length);
  return decode(cursor.view, cursor.start, cursor.end);
}

const routeSpec: fc.Arbitrary<RouteSpec> = prefix.chain((dst) =>
  fc
    .record({
      protocol: byte,
      type: fc.constantFrom('unicast' as const, 'blackhole' as const, 'local' as const),
      table: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      scope: dst.family === 4 ? byte : fc.constant(0),
      metric: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      gateway: fc.option(address, { nil: undefined }),
      oif: fc.option(ifindex, { nil: undefined }),
      prefSrc: fc.option(dst.family === 4 ? ipv4 : (ipv6 as fc.Arbitrary<IpAddress>), { nil: undefined }),
      onlink: fc.boolean(),
      mtuBytes: fc.option(fc.integer({ min: 68, max: 65535 }), { nil: undefined }),
    })
    .map((rest) => present({ dst, ...rest }) as RouteSpec),
);

describe('what is encoded is decoded', () => {
  test('routes, gateways of either family included', () => {
    fc.assert(
      fc.property(routeSpec, (spec) => {
        const decoded = roundTrip((writer) => encodeRoute(writer, spec, 'replace', 1), decodeRoute);
        expect(decoded).toEqual({ tos: 0, dead: false, ...spec });
      }),
    );
  });

  test('neighbours', () => {
    const spec: fc.Arbitrary<NeighbourSpec> = fc.record({ ifindex, address, mac, state: byte });
    fc.assert(
      fc.property(spec, (neighbour) => {
        const decoded = roundTrip((writer) => encodeNeighbourReplace(writer, neighbour, 1), decodeNeighbour);
        expect(decoded).toEqual({ ...neighbour, flags: 0 });
      }),
    );
  });

  test('forwarding entries, which are no neighbours', () => {
    const spec: fc.Arbitrary<FdbSpec> = fc.record({ ifindex, mac, dst: address, state: byte });
    fc.assert(
      fc.property(spec, (fdb) => {
        expect(roundTrip((writer) => encodeFdbReplace(writer, fdb, 1), decodeFdb)).toEqual({ ...fdb, flags: 2 });
        expect(roundTrip((writer) => encodeFdbReplace(writer, fdb, 1), decodeNeighbour)).toBeUndefined();
      }),
    );
  });

  test('addresses', () => {
    const spec: fc.Arbitrary<InterfaceAddressSpec> = fc.record({
      ifindex,
      address,
      prefixLength: fc.integer({ min: 0, max: 32 }),
      scope: byte,
    });
    fc.assert(
      fc.property(spec, (entry) => {
        const decoded = roundTrip((writer) => encodeAddressReplace(writer, entry, 1), decodeAddress);
        expect(decoded).toMatchObject(entry);
      }),
    );
  });

  test('vxlan links', () => {
    const data: fc.Arbitrary<VxlanData> = fc
      .record({
        vni: fc.integer({ min: 0, max: 2 ** 24 - 1 }),
        port: fc.integer({ min: 1, max: 65535 }),
        learning: fc.boolean(),
        gbp: fc.boolean(),
        l2miss: fc.boolean(),
        l3miss: fc.boolean(),
        local: fc.option(address, { nil: undefined }),
        lowerIndex: fc.option(ifindex, { nil: undefined }),
        group: fc.option(address, { nil: undefined }),
      })
      .map((rest) => present(rest) as VxlanData);
    fc.assert(
      fc.property(name, mac, data, (ifname, lladdr, vxlan) => {
        const spec = { name: ifname, kind: 'vxlan', mac: lladdr, mtuBytes: 1450, up: true, vxlan } as const;
        const decoded = roundTrip((writer) => encodeLinkCreate(writer, spec, 1), decodeLink);
        expect(decoded).toMatchObject(spec);
      }),
    );
  });
});

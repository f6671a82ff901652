import { endianness } from 'node:os';
import { MacAddress, parseIpAddress, parseIpPrefix, type RouteSpec } from '@tartan/core';
import { encodeAddressDelete, encodeAddressReplace } from '../../src/codec/address-codec';
import { SIZE } from '../../src/codec/constants';
import { encodeAddrGenMode, encodeLinkChange, encodeLinkCreate, encodeLinkDelete } from '../../src/codec/link-codec';
import { MessageWriter } from '../../src/codec/message-writer';
import { encodeFdbDelete, encodeFdbReplace, encodeNeighbourReplace } from '../../src/codec/neighbour-codec';
import { encodeRoute, encodeRouteDelete, encodeRouteLookup } from '../../src/codec/route-requests';
import { dissect } from '../support/dissect';

const mac = MacAddress.parse('c2:00:00:00:00:01');

function written(encode: (writer: MessageWriter) => void): Buffer {
  const writer = new MessageWriter(16);
  encode(writer);
  return writer.bytes;
}

function route(dst: string, rest: Partial<RouteSpec>): RouteSpec {
  return { dst: parseIpPrefix(dst), protocol: 70, ...rest };
}

/**
 * The whole text on the left was typed into iproute2 6.1, the bytes are what it sent (its sequence number zeroed), in a
 * namespace where v0 has index 3 and vx0 index 4. Ours must say the same; the order of attributes is free.
 */
const iproute2: [string, string, number, (writer: MessageWriter) => void][] = [
  [
    'ip route add 10.5.1.0/24 via 192.0.2.2 dev v0 proto 70',
    '3400000018000506000000000000000002180000fe46000100000000080001000a05010008000500c00002020800040003000000',
    SIZE.rtmsg,
    (w) => encodeRoute(w, route('10.5.1.0/24', { gateway: parseIpAddress('192.0.2.2'), oif: 3 }), 'add', 0),
  ],
  [
    'ip route replace 10.5.12.0/24 via 10.5.12.0 dev v0 onlink proto boot',
    '3400000018000505000000000000000002180000fe03000104000000080001000a050c00080005000a050c000800040003000000',
    SIZE.rtmsg,
    (w) => {
      const spec = { gateway: parseIpAddress('10.5.12.0'), oif: 3, onlink: true, protocol: 3 };
      encodeRoute(w, route('10.5.12.0/24', spec), 'replace', 0);
    },
  ],
  [
    'ip route replace 2001:db8:5::/64 via 2001:db8::2 dev v0 proto 70 metric 10',
    '540000001800050500000000000000000a400000fe460001000000001400010020010db80005000000000000000000001400050020010db8' +
      '000000000000000000000002080006000a0000000800040003000000',
    SIZE.rtmsg,
    (w) => {
      const spec = { gateway: parseIpAddress('2001:db8::2'), oif: 3, metric: 10 };
      encodeRoute(w, route('2001:db8:5::/64', spec), 'replace', 0);
    },
  ],
  [
    'ip route add blackhole 10.6.0.0/16 proto 70',
    '2400000018000506000000000000000002100000fe46000600000000080001000a060000',
    SIZE.rtmsg,
    (w) => encodeRoute(w, route('10.6.0.0/16', { type: 'blackhole' }), 'add', 0),
  ],
  [
    'ip route replace 10.7.0.0/16 dev v0 table 1000 mtu 1400 src 192.0.2.1',
    '4800000018000505000000000000000002100000' +
      '0003fd0100000000080001000a07000008000f00e803000008000700c000020108000400030000000c0008000800020078050000',
    SIZE.rtmsg,
    (w) => {
      const spec = { oif: 3, table: 1000, mtuBytes: 1400, prefSrc: parseIpAddress('192.0.2.1'), protocol: 3 };
      encodeRoute(w, route('10.7.0.0/16', spec), 'replace', 0);
    },
  ],
  [
    'ip route replace 10.8.0.0/24 via inet6 2001:db8::2 dev v0',
    '4400000018000505000000000000000002180000fe03000100000000080001000a080000' +
      '160012000a0020010db800000000000000000000000200000800040003000000',
    SIZE.rtmsg,
    (w) => {
      const spec = { gateway: parseIpAddress('2001:db8::2'), oif: 3, protocol: 3 };
      encodeRoute(w, route('10.8.0.0/24', spec), 'replace', 0);
    },
  ],
  [
    'ip route del 10.5.1.0/24 via 192.0.2.2 dev v0 proto 70',
    '3400000019000500000000000000000002180000fe46ff0000000000080001000a05010008000500c00002020800040003000000',
    SIZE.rtmsg,
    (w) => encodeRouteDelete(w, route('10.5.1.0/24', { gateway: parseIpAddress('192.0.2.2'), oif: 3 }), 0),
  ],
  [
    'bridge fdb replace c2:00:00:00:00:01 dev vx0 dst 192.0.2.2 self permanent',
    '300000001c000505000000000000000007000000' + '04000000c00002000a000200c20000000001000008000100c0000202',
    SIZE.ndmsg,
    (w) => encodeFdbReplace(w, { ifindex: 4, mac, dst: parseIpAddress('192.0.2.2'), state: 0xc0 }, 0),
  ],
  [
    'bridge fdb del c2:00:00:00:00:01 dev vx0 dst 192.0.2.2 self',
    '300000001d0005000000000000000000' + '0700000004000000c00002000a000200c20000000001000008000100c0000202',
    SIZE.ndmsg,
    (w) => {
      encodeFdbDelete(w, { ifindex: 4, mac, dst: parseIpAddress('192.0.2.2') }, 0);
      // The state is not looked at when deleting; bridge sends its default, we send none.
      w.bytes[SIZE.nlmsghdr + 8] = 0xc0;
    },
  ],
  [
    'ip neigh replace 10.5.12.0 lladdr c2:00:00:00:00:01 dev v0 nud permanent',
    '300000001c000505000000000000000002000000' + '0300000080000000' + '080001000a050c000a000200c200000000010000',
    SIZE.ndmsg,
    (w) => encodeNeighbourReplace(w, { ifindex: 3, address: parseIpAddress('10.5.12.0'), mac }, 0),
  ],
  [
    'ip addr replace 10.5.74.0/32 dev v0',
    '28000000140005050000000000000000022000000300000008000200' + '0a054a00080001000a054a00',
    SIZE.ifaddrmsg,
    (w) => encodeAddressReplace(w, { ifindex: 3, address: parseIpAddress('10.5.74.0'), prefixLength: 32 }, 0),
  ],
  [
    'ip addr del 10.5.74.0/32 dev v0',
    '28000000150005000000000000000000022000000300000008000200' + '0a054a00080001000a054a00',
    SIZE.ifaddrmsg,
    (w) => encodeAddressDelete(w, { ifindex: 3, address: parseIpAddress('10.5.74.0'), prefixLength: 32 }, 0),
  ],
  [
    'ip link set v0 mtu 1400',
    '28000000100005000000000000000000000000000300000000000000000000000800040078050000',
    SIZE.ifinfomsg,
    (w) => encodeLinkChange(w, { ifindex: 3 }, { mtuBytes: 1400 }, 0),
  ],
  [
    'ip link set v0 down',
    '2000000010000500000000000000000000000000030000000000000001000000',
    SIZE.ifinfomsg,
    (w) => encodeLinkChange(w, { ifindex: 3 }, { up: false }, 0),
  ],
  [
    'ip link set dev v0 addrgenmode none',
    '300000001000050000000000000000000000000003000000000000000000000010001a000c000a000500080001000000',
    SIZE.ifinfomsg,
    (w) => encodeAddrGenMode(w, { ifindex: 3 }, 1, 0),
  ],
  [
    'ip link add vx1 type vxlan id 5 dstport 8472 local 192.0.2.1 dev v0 nolearning',
    '64000000100005060000000000000000000000000000000000000000000000000800030076783100' +
      '3c0012000900010076786c616e0000002c0002000800030003000000080001000500000008000400c0000201' +
      '050007000000000006000f0021180000',
    SIZE.ifinfomsg,
    (w) => {
      const vxlan = {
        vni: 5,
        port: 8472,
        learning: false,
        gbp: false,
        lowerIndex: 3,
        local: parseIpAddress('192.0.2.1'),
      };
      encodeLinkCreate(w, { name: 'vx1', kind: 'vxlan', vxlan }, 0);
    },
  ],
  [
    'ip link add a0 type veth peer name a1',
    '540000001000050600000000000000000000000000000000000000000000000007000300613000002c001200' +
      '0800010076657468200002001c000100000000000000000000000000000000000700030061310000',
    SIZE.ifinfomsg,
    (w) => encodeLinkCreate(w, { name: 'a0', kind: 'veth', peerName: 'a1' }, 0),
  ],
  [
    'ip link del a0',
    '2000000011000500000000000000000000000000080000000000000000000000',
    SIZE.ifinfomsg,
    (w) => encodeLinkDelete(w, 8, 0),
  ],
];

const nested = [[8], [18], [18, 2], [26], [26, 10]];

/** The bytes above are of a little-endian machine. */
(endianness() === 'LE' ? describe : describe.skip)('requests say what iproute2 says', () => {
  test.each(iproute2)('%s', (_text, hex, fixedSize, encode) => {
    expect(dissect(written(encode), fixedSize, nested)).toEqual(dissect(Buffer.from(hex, 'hex'), fixedSize, nested));
  });

  test('byte for byte: what one of our messages looks like on the wire', () => {
    const bytes = written((w) => encodeRouteLookup(w, parseIpAddress('192.0.2.9'), 7));
    expect(bytes.toString('hex').match(/.{8}/g)).toEqual([
      '24000000', // nlmsg_len 36
      '1a000100', // RTM_GETROUTE, NLM_F_REQUEST
      '07000000', // nlmsg_seq
      '00000000', // nlmsg_pid
      '02200000', // AF_INET, /32, no source, tos 0
      '00000000', // table, protocol, scope, type: any
      '00100000', // RTM_F_LOOKUP_TABLE
      '08000100', // nla_len 8, RTA_DST
      'c0000209', // 192.0.2.9
    ]);
  });
});

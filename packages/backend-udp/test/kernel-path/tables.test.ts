import fc from 'fast-check';
import { Ipv4Address, Ipv4Prefix, MacAddress, parseIpPrefix } from '@tartan/core';
import {
  COUNTER_BYTES,
  countCpus,
  decodeCounters,
  encodeConfig,
  encodePrefix,
  KEY_BYTES,
  PEER_BYTES,
  secretOf,
  tableDelta,
  type KernelPathPeer,
} from '../../src/kernel-path/tables';

const endpoint = { address: Ipv4Address.parse('192.168.50.2'), port: 8285 };

describe('the config', () => {
  const config = encodeConfig({
    uplinkIndex: 0x01020304,
    tunIndex: 0x05060708,
    localAddress: Ipv4Address.parse('192.168.50.1'),
    port: 8285,
    mtuBytes: 1472,
    vxlan: { port: 8286, vni: 0xabcdef, mac: MacAddress.parse('02:11:22:33:44:55') },
    secret: Buffer.from('66778899aabb', 'hex'),
  });

  it('is what struct config of the source says', () => {
    const fields = [
      ['04030201', 'uplink_ifindex'],
      ['c0a83201', 'local_address'],
      ['205d', 'port'],
      ['0000', 'reserved'],
      ['c0050000', 'mtu_bytes'],
      ['08070605', 'tun_ifindex'],
      ['0000205e00000000', 'udp: source, destination, length, checksum'],
      ['08000000abcdef00', 'vxlan'],
      ['021122334455', 'destination'],
      ['66778899aabb', 'secret'],
      ['00000000', 'protocol, padding'],
    ] as const;
    expect(config.toString('hex')).toBe(fields.map(([bytes]) => bytes).join(''));
  });

  it('gives its secret back', () => {
    expect(secretOf(config).toString('hex')).toBe('66778899aabb');
  });
});

describe('prefixes', () => {
  it.each([
    ['10.5.1.0/24', '180000000a050100'],
    ['fc00:0:0:1::/64', '40000000fc000000000000010000000000000000'],
  ])('%s', (text, key) => {
    expect(encodePrefix(parseIpPrefix(text)).toString('hex')).toBe(key);
  });
});

describe('what turns one table into another', () => {
  const peer = fc.record({
    subnet: fc.integer({ min: 0, max: 20 }),
    host: fc.integer({ min: 1, max: 4 }),
  });
  const peers = fc.array(peer, { maxLength: 20 }).map((list) =>
    list.map(({ subnet, host }): KernelPathPeer => ({
      prefix: Ipv4Prefix.parse(`10.5.${subnet}.0/24`),
      endpoint: { address: Ipv4Address.parse(`192.168.50.${host}`), port: 8285 },
    })),
  );
  const step = KEY_BYTES[4] + PEER_BYTES;

  function apply(current: Buffer, wanted: readonly KernelPathPeer[]): { table: Buffer; changes: number } {
    const { upserts, deletes } = tableDelta(current, wanted, KEY_BYTES[4]);
    const table = new Map<string, string>();
    const put = (entries: Buffer): void => {
      for (let at = 0; at < entries.length; at += step) {
        const entry = entries.toString('hex', at, at + step);
        table.set(entry.slice(0, KEY_BYTES[4] * 2), entry.slice(KEY_BYTES[4] * 2));
      }
    };
    put(current);
    put(upserts);
    for (let at = 0; at < deletes.length; at += KEY_BYTES[4]) {
      expect(table.delete(deletes.toString('hex', at, at + KEY_BYTES[4]))).toBe(true);
    }
    const changes = upserts.length / step + deletes.length / KEY_BYTES[4];
    return { table: Buffer.from([...table].flat().join(''), 'hex'), changes };
  }

  it('makes it hold exactly the peers, and then nothing more', () => {
    fc.assert(
      fc.property(peers, peers, (before, after) => {
        const { table } = apply(apply(Buffer.alloc(0), before).table, after);
        const expected = new Map(
          after.map(({ prefix, endpoint: { address } }) => [prefix.toString(), address.toString()]),
        );
        expect(table.length).toBe(expected.size * step);
        expect(apply(table, after).changes).toBe(0);
      }),
    );
  });

  it('changes one entry for one peer that has moved', () => {
    const prefix = Ipv4Prefix.parse('10.5.2.0/24');
    const other = { prefix: Ipv4Prefix.parse('10.5.3.0/24'), endpoint };
    const { table } = apply(Buffer.alloc(0), [{ prefix, endpoint }, other]);
    const moved = { prefix, endpoint: { ...endpoint, address: Ipv4Address.parse('192.168.50.9') } };
    const { upserts, deletes } = tableDelta(table, [moved, other], KEY_BYTES[4]);
    expect(upserts.toString('hex')).toBe('180000000a050200c0a83209205d0000');
    expect(deletes).toHaveLength(0);
  });
});

describe('counters', () => {
  it('are added up over the CPUs', () => {
    const entry = Buffer.alloc(4 + 2 * COUNTER_BYTES);
    entry.writeBigUInt64LE(5n, 4);
    entry.writeBigUInt64LE(2n ** 40n, 4 + COUNTER_BYTES);
    entry.writeBigUInt64LE(7n, 4 + 2 * COUNTER_BYTES - 8);
    expect(decodeCounters(entry, 4)).toMatchObject({ txPackets: 2n ** 40n + 5n, txBytes: 0n, droppedForged: 7n });
  });

  it.each([
    ['0', 1],
    ['0-1\n', 2],
    ['0,2-5', 6],
  ])('possible CPUs %j are %d', (text, count) => {
    expect(countCpus(text)).toBe(count);
  });
});

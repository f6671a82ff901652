import fc from 'fast-check';
import { decodeLeaseValue, encodeLeaseValue, Ipv4Address, Ipv6Address, type Json, type LeaseAttrs } from '@tartan/core';

const v4 = (text: string): Ipv4Address => Ipv4Address.parse(text);
const v6 = (text: string): Ipv6Address => Ipv6Address.parse(text);

function decode(text: string): LeaseAttrs {
  const parsed = decodeLeaseValue(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
}

/** Addresses cache their text, so equal ones may differ inside. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Every row of the table of values that the original writes, byte for byte. */
const GOLDEN: [string, string, LeaseAttrs][] = [
  [
    'vxlan v4',
    '{"PublicIP":"192.168.50.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c2:25:54:cf:0e:af"}}',
    {
      publicIP: v4('192.168.50.1'),
      publicIPv6: null,
      backendType: 'vxlan',
      backendData: { VNI: 1, VtepMAC: 'c2:25:54:cf:0e:af' },
    },
  ],
  [
    'vxlan dual',
    '{"PublicIP":"192.168.50.1","PublicIPv6":"fd00::1","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c2:25:54:cf:0e:af"},"BackendV6Data":{"VNI":1,"VtepMAC":"c2:25:54:cf:0e:b0"}}',
    {
      publicIP: v4('192.168.50.1'),
      publicIPv6: v6('fd00::1'),
      backendType: 'vxlan',
      backendData: { VNI: 1, VtepMAC: 'c2:25:54:cf:0e:af' },
      backendV6Data: { VNI: 1, VtepMAC: 'c2:25:54:cf:0e:b0' },
    },
  ],
  ...['host-gw', 'ipip', 'ipsec'].map((type): [string, string, LeaseAttrs] => [
    type,
    `{"PublicIP":"192.168.50.2","PublicIPv6":null,"BackendType":"${type}"}`,
    { publicIP: v4('192.168.50.2'), publicIPv6: null, backendType: type },
  ]),
  [
    'host-gw dual',
    '{"PublicIP":"192.168.50.2","PublicIPv6":"fd00::2","BackendType":"host-gw"}',
    { publicIP: v4('192.168.50.2'), publicIPv6: v6('fd00::2'), backendType: 'host-gw' },
  ],
  [
    'udp, alloc, tencent-vpc',
    '{"PublicIP":"192.168.50.2","PublicIPv6":null}',
    { publicIP: v4('192.168.50.2'), publicIPv6: null, backendType: '' },
  ],
  [
    'wireguard',
    '{"PublicIP":"192.168.50.3","PublicIPv6":null,"BackendType":"wireguard","BackendData":{"PublicKey":"hW1R1n1G4w0dJb9q0nL6G7a3w8x2k5u1yZsVQfN3mEo=","Port":51820},"BackendV6Data":{"PublicKey":"hW1R1n1G4w0dJb9q0nL6G7a3w8x2k5u1yZsVQfN3mEo=","Port":51821}}',
    {
      publicIP: v4('192.168.50.3'),
      publicIPv6: null,
      backendType: 'wireguard',
      backendData: { PublicKey: 'hW1R1n1G4w0dJb9q0nL6G7a3w8x2k5u1yZsVQfN3mEo=', Port: 51820 },
      backendV6Data: { PublicKey: 'hW1R1n1G4w0dJb9q0nL6G7a3w8x2k5u1yZsVQfN3mEo=', Port: 51821 },
    },
  ],
  [
    'extension',
    String.raw`{"PublicIP":"192.168.50.4","PublicIPv6":null,"BackendType":"extension","BackendData":"a \u003cb\u003e \u0026 \"c\"\\\n"}`,
    {
      publicIP: v4('192.168.50.4'),
      publicIPv6: null,
      backendType: 'extension',
      backendData: 'a <b> & "c"\\\n',
    },
  ],
  [
    'no IPv4 address',
    '{"PublicIP":"0.0.0.0","PublicIPv6":"fd00::5","BackendType":"vxlan"}',
    { publicIP: v4('0.0.0.0'), publicIPv6: v6('fd00::5'), backendType: 'vxlan' },
  ],
  [
    'our own',
    '{"PublicIP":"192.168.50.6","PublicIPv6":null,"BackendType":"host-gw","Tartan":{"Node":"node-6","Machine":"5f2c"}}',
    {
      publicIP: v4('192.168.50.6'),
      publicIPv6: null,
      backendType: 'host-gw',
      owner: { node: 'node-6', machine: '5f2c' },
    },
  ],
];

describe('lease value', () => {
  it.each(GOLDEN)('%s is read', (_, text, attrs) => expect(decode(text)).toEqual(attrs));
  it.each(GOLDEN)('%s is written', (_, text, attrs) => expect(encodeLeaseValue('k', attrs)).toBe(text));
  it.each(GOLDEN)('%s is rewritten unchanged', (_, text) =>
    expect(encodeLeaseValue('k', decode(text), text)).toBe(text),
  );

  it('takes names in any case, the last of several, and null where Go does nothing', () => {
    const text = `{"publicip":"1.1.1.1","PUBLICIP":"2.2.2.2","PublicIP":"3.3.3.3","publicIP":"4.4.4.4",
      "bac\u212aendtype":"a","BackendType":"b","backendType":null,"publicipv6":"::1","PublicIPv6":null}`;
    expect(decode(text)).toEqual({ publicIP: v4('4.4.4.4'), publicIPv6: null, backendType: 'b' });
  });

  it('reads a missing PublicIP as 0.0.0.0, as Go does, so that the subnet counts as taken', () => {
    for (const text of ['{}', 'null', ' { } ']) expect(decode(text).publicIP.toString()).toBe('0.0.0.0');
  });

  it('reads the address forms that Go also accepts', () => {
    expect(decode('{"PublicIP":"::ffff:10.0.0.1"}').publicIP.toString()).toBe('10.0.0.1');
    const mapped = decode('{"PublicIP":"1.2.3.4","PublicIPv6":"10.0.0.1"}');
    expect(encodeLeaseValue('k', mapped)).toBe('{"PublicIP":"1.2.3.4","PublicIPv6":"10.0.0.1"}');
  });

  it.each([
    'bar',
    '',
    '{"PublicIP":"10.0.0.1"} x',
    '[]',
    '"text"',
    '7',
    '{"PublicIP":null}',
    '{"PublicIP":""}',
    '{"PublicIP":"10.0.0.256"}',
    '{"PublicIP":"10\\u002e0.0.1"}',
    '{"PublicIP":"fd00::1"}',
    '{"PublicIP":167772161}',
    '{"PublicIP":"bad","PublicIP":"10.0.0.1"}',
    '{"PublicIPv6":""}',
    '{"PublicIPv6":"fd00::g"}',
    '{"PublicIPv6":{}}',
    '{"BackendType":1}',
    '{"BackendType":["vxlan"]}',
    '\ufeff{}',
  ])('rejects %j with a reason', (text) => {
    const parsed = decodeLeaseValue(text);
    expect(parsed.ok).toBe(false);
    expect(parsed.ok || parsed.reason.length).toBeGreaterThan(10);
  });

  it('keeps null data apart from absent data', () => {
    const text = '{"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":null}';
    expect(decode(text).backendData).toBeNull();
    expect(encodeLeaseValue('k', decode(text))).toBe(text);
  });

  describe('rewriting', () => {
    const before =
      '{ "Zone" : 12345678901234567890, "2": 1.0, "1": {"b":1e400, "a":"<"}, "PublicIP":"10.0.0.1",\n' +
      ' "backenddata":{"VNI":1, "Id": 9007199254740993}, "BackendType":"vxlan", "x":"a b\\u00e9"}';

    it('keeps unknown members, their order and their digits', () => {
      const attrs = { ...decode(before), publicIP: v4('10.0.0.2'), owner: { node: 'n' } };
      expect(encodeLeaseValue('k', attrs, before)).toBe(
        '{"PublicIP":"10.0.0.2","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"Id":9007199254740992},' +
          '"Zone":12345678901234567890,"2":1.0,"1":{"b":1e400,"a":"\\u003c"},"x":"a b\\u00e9","Tartan":{"Node":"n"}}',
      );
    });

    it('keeps the digits of backend data under its usual name', () => {
      const text = before.replace('backenddata', 'BackendData');
      expect(encodeLeaseValue('k', decode(text), text)).toContain('"Id":9007199254740993');
    });

    it('keeps unknown members when the new attributes say nothing about them', () => {
      const attrs: LeaseAttrs = { publicIP: v4('10.0.0.3'), publicIPv6: null, backendType: 'host-gw' };
      expect(encodeLeaseValue('k', attrs, before)).toContain('"Zone":12345678901234567890');
    });

    it('drops and changes members on demand', () => {
      const attrs: LeaseAttrs = { ...decode(before), extra: { New: true, Zone: 7 } };
      expect(encodeLeaseValue('k', attrs, before)).toMatch(/,"Zone":7,"New":true\}$/);
    });

    it('takes the owner away when the new attributes have none', () => {
      const text = '{"PublicIP":"10.0.0.1","PublicIPv6":null,"Tartan":{"Node":"a"},"T":1}';
      const { owner, ...attrs } = decode(text);
      expect(owner).toEqual({ node: 'a' });
      expect(encodeLeaseValue('k', attrs, text)).toBe('{"PublicIP":"10.0.0.1","PublicIPv6":null,"T":1}');
    });

    it('treats a Tartan member that is not ours as unknown', () => {
      const text = '{"PublicIP":"10.0.0.1","PublicIPv6":null,"Tartan":"plaid"}';
      expect(decode(text)).toMatchObject({ extra: { Tartan: 'plaid' } });
      expect(encodeLeaseValue('k', decode(text), text)).toBe(text);
      expect(encodeLeaseValue('k', { ...decode(text), owner: { node: 'n' } }, text)).toContain('"Tartan":{"Node":"n"}');
    });

    it('ignores an old value that does not parse', () => {
      const attrs: LeaseAttrs = { publicIP: v4('10.0.0.3'), publicIPv6: null, backendType: '' };
      expect(encodeLeaseValue('k', attrs, 'garbage')).toBe('{"PublicIP":"10.0.0.3","PublicIPv6":null}');
    });
  });

  it('refuses an extra member that Go would take for one of its own', () => {
    const attrs: LeaseAttrs = { publicIP: v4('10.0.0.1'), publicIPv6: null, backendType: '', extra: { publicip: 'x' } };
    expect(() => encodeLeaseValue('k', attrs)).toThrow('refusing to write k');
  });

  it('survives members with hostile names', () => {
    const text = '{"PublicIP":"10.0.0.1","PublicIPv6":null,"__proto__":{"a":1},"constructor":2}';
    const attrs = decode(text);
    expect(Object.getPrototypeOf(attrs.extra)).toBe(Object.prototype);
    expect(encodeLeaseValue('k', attrs)).toBe(text);
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  it('refuses nesting that would exhaust a recursive reader', () => {
    const nested = (depth: number): string =>
      `{"PublicIP":"10.0.0.1","PublicIPv6":null,"D":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(encodeLeaseValue('k', decode(nested(500)), nested(500))).toBe(nested(500));
    expect(decodeLeaseValue(nested(100_000)).ok).toBe(false);
  });

  const json = fc.jsonValue().map((value) => value as Json);
  const anyAttrs: fc.Arbitrary<LeaseAttrs> = fc
    .record(
      {
        publicIP: fc.nat(0xffff_ffff).map((value) => Ipv4Address.fromNumber(value)),
        publicIPv6: fc.option(
          fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => Ipv6Address.fromBigInt(value)),
        ),
        backendType: fc.string({ unit: 'grapheme' }),
        backendData: json,
        backendV6Data: json,
        owner: fc.record(
          { node: fc.string({ unit: 'grapheme' }), machine: fc.string() },
          { requiredKeys: ['node'], noNullPrototype: true },
        ),
        extra: fc.dictionary(
          fc.string().filter((name) => !/^(public|backend|tartan)/i.test(name)),
          json,
          {
            minKeys: 1,
            noNullPrototype: true,
          },
        ),
      },
      { requiredKeys: ['publicIP', 'publicIPv6', 'backendType'], noNullPrototype: true },
    )
    .map((attrs) => JSON.parse(JSON.stringify(attrs)) as { publicIP: string; publicIPv6: string | null })
    .map(({ publicIP, publicIPv6, ...rest }) => ({
      ...(rest as unknown as LeaseAttrs),
      publicIP: v4(publicIP),
      publicIPv6: publicIPv6 === null ? null : v6(publicIPv6),
    }));

  it('round trips', () => {
    fc.assert(
      fc.property(anyAttrs, fc.option(anyAttrs, { nil: undefined }), (attrs, earlier) => {
        const stated: LeaseAttrs = { ...attrs, extra: attrs.extra ?? {} };
        const text = encodeLeaseValue('k', stated, earlier && encodeLeaseValue('k', earlier));
        expect(plain(decode(text))).toEqual(plain(attrs));
        expect(encodeLeaseValue('k', decode(text), text)).toBe(text);
        expect(text).not.toMatch(/[<>&\u2028\u2029]/);
      }),
    );
  });

  it('never throws on foreign text', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.object().map((value) => JSON.stringify(value)),
    );
    fc.assert(fc.property(text, (value) => void decodeLeaseValue(value)));
  });
});

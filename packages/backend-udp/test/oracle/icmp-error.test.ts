import fc from 'fast-check';
import { FIXED_RUNS_TIMEOUT_MS, fixedRuns } from './fixed-runs';
import { makePacket, shape } from './generate';
import { goldenCases } from './golden';
import { icmpError, type IcmpError } from './icmp-error';
import { completeIpv4Checksum, layoutOf, oneHop } from './ip-packet';
import { NativeStages } from './native-stages';

let native: NativeStages;
beforeAll(() => (native = NativeStages.start()), 600_000);
afterAll(() => native.stop());

/** Without what the sender of an error chooses: IPv4 identification, IPv6 flow label (in no checksum of ICMPv6). */
function comparable(error: Buffer | undefined): string | undefined {
  if (!error) return undefined;
  const result = Buffer.from(error);
  if (layoutOf(error).version === 4) {
    result.writeUInt16BE(0, 4);
    completeIpv4Checksum(result);
  } else result.writeUInt32BE(0x60000000, 0);
  return result.toString('hex');
}

const sourceOf = (error: Buffer): Buffer => {
  const { addresses } = layoutOf(error);
  return addresses.subarray(0, addresses.length / 2);
};

describe.each(goldenCases('icmp-errors.txt'))('$name', ({ name, in: packet, out }) => {
  const [answer] = out as [Buffer];
  const tooBig = name.startsWith('too-big');
  const error: IcmpError = tooBig
    ? { kind: 'too-big', mtuBytes: name === 'too-big4' ? 900 : 1300 }
    : { kind: 'time-exceeded' };
  // IPv6 forwarding takes the hop before it looks at the length (ip6_forward, net/ipv6/ip6_output.c, v6.12).
  const about = name === 'too-big6' ? oneHop(packet) : packet;

  it('is reported by the oracle as by the kernel', () => {
    expect(comparable(icmpError(about, sourceOf(answer), error))).toBe(comparable(answer));
  });

  it('is reported by the packet loop as by the kernel', async () => {
    expect(comparable(await native.icmpError(about, sourceOf(answer), error))).toBe(comparable(answer));
  });
});

/** Packets of TCP and UDP, and such whose protocol, first byte of the upper layer, fragment field or addresses are changed. */
const reported = fc
  .tuple(
    shape.map((one) => makePacket({ ...one, payloadBytes: one.payloadBytes % 2000 })),
    fc.option(fc.constantFrom(1, 2, 17, 50, 58, 59), { nil: undefined }),
    fc.nat({ max: 255 }),
    fc.constantFrom(0, 0, 0, 0x2000, 1, 0x2001),
    fc.option(fc.constantFrom('00', '01', '7f', 'df', 'e0', 'ff'), { nil: undefined, freq: 2 }),
    fc.boolean(),
  )
  .map(([packet, protocol, type, fragment, first, ofSender]) => {
    const ipv4 = layoutOf(packet).version === 4;
    const changed = Buffer.from(packet);
    if (ipv4) changed.writeUInt16BE(fragment, 6);
    if (protocol !== undefined) changed[ipv4 ? 9 : 6] = protocol;
    if (protocol === 1 || protocol === 58) changed[layoutOf(changed).upper] = type;
    if (first !== undefined) changed[(ipv4 ? 12 : 8) + (ofSender ? 0 : ipv4 ? 4 : 16)] = Number.parseInt(first, 16);
    return changed;
  });

const someError: fc.Arbitrary<IcmpError> = fc.oneof(
  fc.constant({ kind: 'time-exceeded' as const }),
  fc.record({ kind: fc.constant('too-big' as const), mtuBytes: fc.integer({ min: 68, max: 65_535 }) }),
);

it(
  'the packet loop reports what the oracle reports, and is silent where it is',
  async () => {
    const seen = { reported: 0, silent: 0 };
    const property = fc.asyncProperty(reported, someError, async (packet, error) => {
      const source = sourceOf(packet);
      source[source.length - 1] = 77;
      const wanted = icmpError(packet, source, error);
      seen[wanted ? 'reported' : 'silent']++;
      expect((await native.icmpError(packet, source, error))?.toString('hex')).toBe(wanted?.toString('hex'));
    });
    await fc.assert(property, fixedRuns(500));
    expect(seen.reported).toBeGreaterThan(100);
    expect(seen.silent).toBeGreaterThan(100);
  },
  FIXED_RUNS_TIMEOUT_MS,
);

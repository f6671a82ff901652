import fc from 'fast-check';
import { faultsOf, join, type Write } from './coalescing';
import { FIXED_RUNS_TIMEOUT_MS, fixedRuns } from './fixed-runs';
import { conversation, makePacket } from './generate';
import { goldenCases } from './golden';
import { ACK, PSH, TCP } from './ip-packet';
import { NativeStages } from './native-stages';
import { segment } from './segmentation';

let native: NativeStages;
beforeAll(() => (native = NativeStages.start()), 600_000);
afterAll(() => native.stop());

const joined = (writes: readonly Write[]): Write[] => writes.filter(({ packets }) => packets > 1);

describe.each(goldenCases('segments.txt').filter(({ out }) => out.length > 1))('packets of $name', ({ name, out }) => {
  it('may be written as the packet loop does', async () => {
    const writes = await native.in(out);
    expect(faultsOf(out, writes)).toEqual([]);
    // Options, FIN and CWR keep packets from being joined.
    if (!/options|fin/.test(name)) expect(writes.map(({ packets }) => packets)).toEqual([out.length]);
  });
});

describe('the packet loop writes nothing that the oracle forbids', () => {
  it.each([
    ['TCP and UDP', { tcp: true, udp: true }],
    ['TCP only, for kernels without UDP super-packets', { tcp: true, udp: false }],
    ['neither', { tcp: false, udp: false }],
  ] as const)(
    'joining %s',
    async (_, options) => {
      const kinds = new Set<number>();
      const property = fc.asyncProperty(conversation, async (packets) => {
        const writes = await native.in(packets, options);
        for (const { written } of joined(writes)) kinds.add(written.virtio.gsoType);
        expect(faultsOf(packets, writes)).toEqual([]);
      });
      await fc.assert(property, fixedRuns(300));
      expect([...kinds].sort()).toEqual([...(options.tcp ? [1, 4] : []), ...(options.udp ? [5] : [])]);
    },
    FIXED_RUNS_TIMEOUT_MS,
  );
});

describe('the oracle', () => {
  const shape = {
    version: 4,
    protocol: TCP,
    sourceHost: 2,
    sourcePort: 1,
    hops: 64,
    dontFragment: false,
    extended: false,
    flags: ACK,
    tcpOptions: 3,
    payloadBytes: 50,
  } as const;
  const run = [0, 1, 2].map((index) =>
    makePacket({ ...shape, identification: 7 + index, sequence: 1000 + index * 50, content: index * 50 }),
  ) as [Buffer, Buffer, Buffer];
  const write = (...packets: Buffer[]): Write =>
    packets.length > 1
      ? { packets: packets.length, written: join(packets) }
      : { packets: 1, written: { ...join(packets), virtio: { ...join(packets).virtio, flags: 0, gsoType: 0 } } };
  const plain = (packet: Buffer): Write => ({ ...write(packet), written: { ...write(packet).written, packet } });

  it('takes what it joined apart again', () => {
    expect(segment(join(run))).toEqual(run);
    expect(faultsOf(run, [write(...run)])).toEqual([]);
    expect(faultsOf(run, run.map(plain))).toEqual([]);
  });

  it('lets PSH move to the end, but not vanish', () => {
    const [one, two, three] = run;
    const pushing = makePacket({ ...shape, sequence: 1050, identification: 8, flags: ACK | PSH, content: 50 });
    const last = makePacket({ ...shape, sequence: 1100, identification: 9, flags: ACK | PSH, content: 100 });
    expect(faultsOf([one, pushing, three], [write(one, two, last)])).toEqual([]);
    expect(faultsOf([one, pushing, three], [write(one, two, three)])).toEqual(['write 0 loses a PSH']);
    expect(faultsOf(run, [write(one, two, last)])).toEqual(['write 0 makes up a PSH']);
  });

  it('sees a gap, a swap, a loss, a repetition and a changed byte', () => {
    const [one, two, three] = run;
    expect(faultsOf(run, [write(one, three), plain(two)]).join()).toMatch(/nobody sent.*lost/);
    expect(faultsOf(run, [plain(two), plain(one), plain(three)])).toEqual(['packet 1 overtook packet 0 of its flow']);
    expect(faultsOf(run, [write(one, two)])).toEqual(['packet 2 is lost']);
    expect(faultsOf(run, [write(one, two), plain(two), plain(three)]).join()).toMatch(/nobody sent/);
    const other = Buffer.from(three);
    other[60] = (other[60] as number) ^ 1;
    expect(faultsOf(run, [write(one, two, other)]).join()).toMatch(/nobody sent.*lost/);
    expect(
      faultsOf(
        [other],
        [
          {
            ...plain(other),
            written: { ...plain(other).written, virtio: { ...plain(other).written.virtio, flags: 2 } },
          },
        ],
      ).join(),
    ).toMatch(/wrong checksum/);
  });
});

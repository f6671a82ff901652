import fc from 'fast-check';
import { oddSuperPacket, superPacket } from './generate';
import { goldenCases } from './golden';
import { oneHop } from './ip-packet';
import { NativeStages } from './native-stages';
import { FIXED_RUNS_TIMEOUT_MS, fixedRuns } from './fixed-runs';
import { segment } from './segmentation';
import { decodeSuperPacket, type SuperPacket } from './virtio';

let native: NativeStages;
beforeAll(() => (native = NativeStages.start()), 600_000);
afterAll(() => native.stop());

function expected({ virtio, packet }: SuperPacket): Buffer[] | undefined {
  return segment({ virtio, packet: oneHop(packet) });
}

const texts = (packets: readonly Buffer[] | undefined): string[] | undefined =>
  packets?.map((packet) => packet.toString('hex'));

describe.each(goldenCases('segments.txt'))('$name', ({ in: bytes, out }) => {
  const superOne = decodeSuperPacket(bytes);

  it('is cut up by the oracle as by the kernel', () => {
    expect(texts(expected(superOne))).toEqual(texts(out));
  });

  it('is cut up by the packet loop as by the kernel', async () => {
    expect(texts(await native.out(superOne))).toEqual(texts(out));
  });
});

describe('the packet loop cuts up as the oracle does', () => {
  it.each([
    ['super-packets', superPacket, 250],
    ['packets whose virtio-net header may not fit', oddSuperPacket, 400],
  ] as const)(
    '%s',
    async (_, arbitrary, runs) => {
      let cut = 0;
      const property = fc.asyncProperty(arbitrary, async (one) => {
        const wanted = expected(one);
        if ((wanted?.length ?? 0) > 1) cut++;
        expect(texts(await native.out(one))).toEqual(texts(wanted));
      });
      await fc.assert(property, fixedRuns(runs));
      // Not only such as are refused or left alone.
      expect(cut).toBeGreaterThan(10);
    },
    FIXED_RUNS_TIMEOUT_MS,
  );
});

import { mtuClampedFindings, readUnderlayMtu, tunnelMtuBytes, type TartanError } from '@tartan/core';

const external = { ifname: 'eth0', mtuBytes: 1500 };
const tunnel = { backend: 'mine', underlayMtuBytes: null, external, overheadBytes: 50, family: 4 as const };

describe('largest packet inside of a tunnel', () => {
  it.each([
    ['of the interface', null, 1450],
    ['a smaller one that the operator states', 1400, 1350],
    ['of the interface where the operator states a larger one', 9000, 1450],
  ])('counts the MTU %s', (_, underlayMtuBytes, expected) => {
    expect(tunnelMtuBytes({ ...tunnel, underlayMtuBytes })).toBe(expected);
  });

  it.each([
    [4, 626, 576],
    [6, 1330, 1280],
  ] as const)('family %d: an underlay of %d bytes is just enough', (family, mtuBytes, expected) => {
    const enough = { ...tunnel, family, external: { ...external, mtuBytes } };
    expect(tunnelMtuBytes(enough)).toBe(expected);
    expect(() => tunnelMtuBytes({ ...enough, underlayMtuBytes: mtuBytes - 1 })).toThrow(
      expect.objectContaining({
        code: 'BACKEND_MTU_TOO_SMALL',
        data: { backend: 'mine', family, ifname: 'eth0', underlayMtuBytes: mtuBytes - 1, neededMtuBytes: mtuBytes },
      }) as TartanError,
    );
  });
});

describe('the option MTU', () => {
  it('is no statement at 0', () => {
    expect([readUnderlayMtu(0, 50), readUnderlayMtu(626, 50)]).toEqual([null, 626]);
  });

  it('is refused where no IPv4 packet of the smallest size would fit', () => {
    expect(() => readUnderlayMtu(625, 50)).toThrow('Backend.MTU');
  });

  it.each([
    [null, []],
    [1500, []],
    [1501, ['X_MTU_CLAMPED']],
  ])('%p bytes on an interface of 1500', (underlayMtuBytes, codes) => {
    expect(mtuClampedFindings({ code: 'X_MTU_CLAMPED', underlayMtuBytes, external }).map(({ code }) => code)).toEqual(
      codes,
    );
  });
});

import { MacAddress } from '@tartan/core';
import fc from 'fast-check';
import { deriveVtepMac, isUnicastMac } from '../src/vtep-mac';

const identity = { node: 'node-1', machine: 'c0ffee' };

describe('the MAC of a new device', () => {
  // Golden: a change here changes the MAC of every node at its next reboot.
  it.each([
    [identity, 1, 4, '82:07:2c:bb:d0:7f'],
    [identity, 1, 6, '2e:3b:78:07:38:29'],
    [identity, 2, 4, 'c6:9e:5d:c6:02:be'],
    [{ node: 'node-2', machine: 'c0ffee' }, 1, 4, '6e:ab:67:c2:39:a4'],
    [{ node: 'node-1' }, 1, 4, '96:51:fc:c3:36:43'],
  ] as const)('%j VNI %d family %d', (who, vni, family, mac) => {
    expect(deriveVtepMac({ identity: who, vni, family }).toString()).toBe(mac);
  });

  it('is always unicast and locally administered', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 2 ** 24 - 1 }), (node, vni) => {
        const mac = deriveVtepMac({ identity: { node }, vni, family: 4 });
        expect((mac.toBytes()[0] as number) & 0x03).toBe(0x02);
        expect(isUnicastMac(mac)).toBe(true);
      }),
    );
  });

  it('differs between many nodes', () => {
    const macs = Array.from({ length: 5000 }, (_, n) =>
      deriveVtepMac({ identity: { node: `node-${n}` }, vni: 1, family: 4 }).toString(),
    );
    expect(new Set(macs).size).toBe(macs.length);
  });
});

it.each([
  ['00:00:00:00:00:00', false],
  ['01:00:5e:00:00:01', false],
  ['ff:ff:ff:ff:ff:ff', false],
  ['c2:25:54:cf:0e:af', true],
])('%s can be the address of a device: %s', (text, valid) => {
  expect(isUnicastMac(MacAddress.parse(text))).toBe(valid);
});

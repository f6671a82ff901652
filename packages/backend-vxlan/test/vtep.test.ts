import { Ipv4Address } from '@tartan/core';
import { vxlanOverheadBytes } from '../src/mtu';
import { readVxlanOptions } from '../src/options';
import { describeVteps, type Vtep } from '../src/vtep';
import {
  externalInterface,
  findingLines,
  networkConfig,
  planFor,
  startNetwork,
  thrown,
  type Families,
} from './support/nodes';

function vteps(
  families: Families,
  options: Record<string, number> = {},
  external = externalInterface(),
): readonly Vtep[] {
  const config = networkConfig(families, options);
  return describeVteps({ config, options: readVxlanOptions(config).options, externalInterface: external });
}

const lines = (list: readonly Vtep[]): string[] =>
  list.map((one) => `${one.ifname} local ${one.local.toString()} dev ${one.lowerIfname} mtu ${one.mtuBytes}`);

describe('our end of the tunnels', () => {
  it.each([
    ['ipv4', ['flannel.1 local 192.168.50.1 dev eth0 mtu 1450']],
    ['ipv6', ['flannel-v6.1 local fd00::1 dev eth0 mtu 1430']],
    ['dual', ['flannel.1 local 192.168.50.1 dev eth0 mtu 1450', 'flannel-v6.1 local fd00::1 dev eth0 mtu 1430']],
  ] as const)('with %s', (families, expected) => {
    expect(lines(vteps(families))).toEqual(expected);
  });

  it('sends from the address of the interface, not from the public one behind NAT (V5)', () => {
    const external = externalInterface({ publicIP: Ipv4Address.parse('203.0.113.9') });
    expect(lines(vteps('ipv4', {}, external))).toEqual(['flannel.1 local 192.168.50.1 dev eth0 mtu 1450']);
  });

  it('takes 50 bytes over IPv4, 70 over IPv6 (V4)', () => {
    expect([vxlanOverheadBytes(4), vxlanOverheadBytes(6)]).toEqual([50, 70]);
  });

  it.each([
    ['ipv4', 1500, 1450],
    ['ipv6', 1500, 1430],
    ['dual', 1500, 1430],
    ['dual', 9000, 8930],
  ] as const)('gives pods the smaller MTU of those in use: %s over %d', async (families, mtuBytes, expected) => {
    const network = await startNetwork({
      config: networkConfig(families),
      externalInterface: externalInterface({ mtuBytes }),
    });
    expect(network.mtuBytes).toBe(expected);
  });

  it('counts the smaller of the MTU option and the interface', () => {
    const external = externalInterface({ mtuBytes: 1500 });
    expect(vteps('ipv4', { MTU: 1400 }, external)[0]?.mtuBytes).toBe(1350);
    expect(vteps('ipv4', { MTU: 9000 }, external)[0]?.mtuBytes).toBe(1450);
  });

  it('says that the MTU option asks for too much', async () => {
    const network = await startNetwork({ config: networkConfig('ipv4', { MTU: 9000 }) });
    expect(findingLines(planFor(network, []))).toEqual(['VXLAN_MTU_CLAMPED Backend.MTU']);
  });

  it.each([
    ['ipv6', 1349, 1350],
    ['ipv4', 625, 626],
  ] as const)('is refused where packets get too small: %s over %d', (families, mtuBytes, neededMtuBytes) => {
    expect(thrown(() => vteps(families, {}, externalInterface({ mtuBytes })))).toMatchObject({
      code: 'BACKEND_MTU_TOO_SMALL',
      data: { neededMtuBytes },
    });
    expect(vteps(families, {}, externalInterface({ mtuBytes: neededMtuBytes }))).toHaveLength(1);
  });

  it('needs an address in each family', () => {
    expect(thrown(() => vteps('dual', {}, externalInterface({ ipv6Address: null })))).toMatchObject({
      code: 'BACKEND_NO_ADDRESS',
      data: { backend: 'vxlan', family: 6, ifname: 'eth0' },
    });
  });
});

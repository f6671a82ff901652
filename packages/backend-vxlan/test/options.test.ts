import { DEFAULT_PORT, readVxlanOptions } from '../src/options';
import { findingLines, networkConfig, containing, thrown } from './support/nodes';

const defaults = {
  vni: 1,
  port: DEFAULT_PORT,
  gbp: false,
  learning: false,
  directRouting: false,
  underlayMtuBytes: null,
  txChecksumOffload: 'auto',
};

describe('options', () => {
  it("are flannel's by default", () => {
    expect(readVxlanOptions(networkConfig())).toEqual({ options: defaults, findings: [] });
    expect(DEFAULT_PORT).toBe(8472);
  });

  it('are read whatever the case of their names', () => {
    const config = networkConfig('ipv4', {
      vni: 70000,
      PORT: 4789,
      gbp: true,
      Learning: true,
      directrouting: true,
      mtu: 1400,
      TxChecksumOffload: 'off',
    });
    const { options, findings } = readVxlanOptions(config);
    expect(options).toEqual({
      vni: 70000,
      port: 4789,
      gbp: true,
      learning: true,
      directRouting: true,
      underlayMtuBytes: 1400,
      txChecksumOffload: 'off',
    });
    expect(findingLines({ findings })).toEqual(['VXLAN_VNI_ABOVE_16_BITS Backend.VNI']);
  });

  it('that are unknown are shown with what was meant, and refused when strict', () => {
    const config = networkConfig('ipv4', { Prot: 8472 });
    const { findings } = readVxlanOptions(config);
    expect(findings).toMatchObject([{ code: 'CONFIG_UNKNOWN_KEY', subject: 'Backend.Prot' }]);
    expect(findings[0]?.message).toContain('Backend.Port');
    expect(thrown(() => readVxlanOptions({ ...config, strict: true }))).toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it.each([
    ['VNI', 0],
    ['VNI', 2 ** 24],
    ['VNI', '1'],
    ['VNI', 1.5],
    ['Port', -1],
    ['Port', 65536],
    ['MTU', 600],
    ['MTU', 70000],
    ['GBP', 'yes'],
    ['Learning', 1],
    ['DirectRouting', 'true'],
    ['TxChecksumOffload', 'maybe'],
  ])('refuses %s %j', (name, value) => {
    expect(thrown(() => readVxlanOptions(networkConfig('ipv4', { [name]: value })))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: containing(`Backend.${name}`),
    });
  });

  describe.each([
    ['ipv4', 9_999_999, 10_000_000],
    ['ipv6', 9_999, 10_000],
    ['dual', 9_999, 10_000],
  ] as const)('with %s', (families, longest, tooLong) => {
    it(`take a VNI up to ${longest}, as long as a device name may be`, () => {
      expect(readVxlanOptions(networkConfig(families, { VNI: longest })).options.vni).toBe(longest);
      expect(thrown(() => readVxlanOptions(networkConfig(families, { VNI: tooLong })))).toMatchObject({
        code: 'CONFIG_INVALID',
        message: containing(`at most ${longest}`),
      });
    });
  });
});

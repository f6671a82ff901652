import { BACKEND_CONTRACT_VERSION, BackendRegistry, type BackendModule } from '@tartan/core';

function module(type: string, contractVersion = BACKEND_CONTRACT_VERSION): BackendModule {
  return {
    type,
    contractVersion,
    capabilities: {
      ipv4: true,
      ipv6: false,
      needsSameL2: false,
      needsOwnPublicIP: false,
      hitlessRestart: true,
      underlayFacts: false,
    },
    create: () => {
      throw new Error('not in this test');
    },
  };
}

describe('BackendRegistry', () => {
  it('finds a backend by its type, in any case', () => {
    const registry = new BackendRegistry();
    const vxlan = module('vxlan');
    registry.register(vxlan);
    expect(registry.get('VXLAN')).toBe(vxlan);
  });

  it('names the known types when one is unknown', () => {
    const registry = new BackendRegistry();
    registry.register(module('vxlan'));
    registry.register(module('host-gw'));
    expect(() => registry.get('ipip')).toThrow('unknown backend type "ipip"; this build knows host-gw, vxlan');
  });

  it('refuses a second backend of one type, naming both', () => {
    const registry = new BackendRegistry();
    registry.register(module('vxlan'));
    expect(() => registry.register(module('vxlan'), './mine.js')).toThrow(
      expect.objectContaining({
        code: 'BACKEND_TYPE_TAKEN',
        data: { type: 'vxlan', module: './mine.js', takenBy: 'built in' },
      }) as Error,
    );
  });

  it('refuses a backend of another contract version', () => {
    const other = module('mine', BACKEND_CONTRACT_VERSION + 1);
    expect(() => new BackendRegistry().register(other, 'mine')).toThrow(
      expect.objectContaining({ code: 'BACKEND_CONTRACT_VERSION' }) as Error,
    );
  });
});

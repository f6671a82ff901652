import { Ipv4Address, Ipv6Address, type BackendContext } from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { backend } from '../src';
import { context, externalInterface, facts, networkConfig, ownLease, peer, routeLines } from './support';

const signal = new AbortController().signal;
const natV4 = externalInterface({ publicIP: Ipv4Address.parse('203.0.113.5') });
const natV6 = externalInterface({ publicIPv6: Ipv6Address.parse('2001:db8::5') });

function prepare(change: Partial<BackendContext> = {}): Promise<unknown> {
  return backend.create(context(change)).prepare(signal);
}

describe('host-gw', () => {
  it('publishes its type and no data, as flanneld does', async () => {
    await expect(prepare()).resolves.toStrictEqual({ backendType: 'host-gw' });
  });

  it.each([
    ['IPv4', natV4, '203.0.113.5'],
    ['IPv6', natV6, '2001:db8::5'],
  ])('refuses address translation in %s', async (_, external, publicAddress) => {
    await expect(prepare({ externalInterface: external })).rejects.toMatchObject({
      code: 'BACKEND_NAT_REFUSED',
      data: { ifname: 'eth0', publicAddress },
    });
  });

  it('does not mind the addresses of a family that is off', async () => {
    await expect(prepare({ config: networkConfig('ipv6'), externalInterface: natV4 })).resolves.toBeDefined();
    await expect(prepare({ config: networkConfig('ipv4'), externalInterface: natV6 })).resolves.toBeDefined();
  });

  it('needs an address in each enabled family', async () => {
    const external = externalInterface({ ipv6Address: null, publicIPv6: null });
    await expect(prepare({ externalInterface: external })).rejects.toMatchObject({
      code: 'BACKEND_NO_ADDRESS',
      data: { family: 6, ifname: 'eth0' },
    });
  });

  it('has no options: unknown ones are a warning, and an error with strict config', async () => {
    const logger = new MemoryLogger();
    await prepare({ config: networkConfig('dual', { VNI: 7 }), logger });
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { key: 'Backend.VNI' } }]);
    const strict = { ...networkConfig('dual', { VNI: 7 }), strict: true };
    await expect(prepare({ config: strict })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('gives pods the MTU of the external interface', async () => {
    const external = externalInterface({ mtuBytes: 9000 });
    const network = await backend.create(context({ externalInterface: external })).start(ownLease, signal);
    expect(network.mtuBytes).toBe(9000);
  });

  it('plans routes for the lease it was started with', async () => {
    const network = await backend.create(context({ config: networkConfig('ipv4') })).start(ownLease, signal);
    const plan = network.plan({ snapshot: { revision: '1', leases: [peer(2)] }, underlay: facts() });
    expect(routeLines(plan)).toEqual(['10.5.2.0/24 via 192.168.50.2 dev eth0']);
    await network.close();
  });
});

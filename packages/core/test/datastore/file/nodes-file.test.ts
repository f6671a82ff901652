import { parseNodesFile } from '../../../src/datastore/file/nodes-file';
import type { ScannedLease } from '../../../src/datastore/file/scan';

const A = { name: 'a', publicIP: '192.168.50.1', subnet: '10.5.1.0/24' };

const file = (nodes: unknown, network: unknown = { Network: '10.5.0.0/16', Backend: { Type: 'host-gw' } }): string =>
  JSON.stringify({ network, nodes });

function read(...nodes: unknown[]) {
  const { entries } = parseNodesFile(file(nodes));
  return [...entries].map(([key, entry]) => (entry.kind === 'lease' ? key : `${key}: ${entry.reason}`));
}

const lease = (text: string, key: string): ScannedLease => parseNodesFile(text).entries.get(key) as ScannedLease;

describe('nodes file', () => {
  it('assigns subnets and values', () => {
    const node = {
      name: 'a',
      publicIP: '192.168.50.1',
      publicIPv6: 'fd00::1',
      subnet: '10.5.1.0/24',
      ipv6Subnet: 'fc00:0:0:1::/64',
      backendType: 'vxlan',
      backendData: { VNI: 1, VtepMAC: '02:00:00:00:00:01' },
      backendV6Data: { VNI: 1, VtepMAC: '02:00:00:00:00:02' },
    };
    const { attrs, reservation } = lease(file([node]), '10.5.1.0-24&fc00:0:0:1::-64');
    expect(reservation).toBe(true);
    expect(JSON.parse(JSON.stringify(attrs))).toEqual({
      publicIP: '192.168.50.1',
      publicIPv6: 'fd00::1',
      backendType: 'vxlan',
      backendData: node.backendData,
      backendV6Data: node.backendV6Data,
      owner: { node: 'a' },
    });
  });

  it('keeps the network config as it was written', () => {
    const text = '{ "nodes": [], "network": { "Network" : "10.5.0.0/16",\n "SubnetLen": 24 } }';
    expect(parseNodesFile(text).config).toBe('{ "Network" : "10.5.0.0/16",\n "SubnetLen": 24 }');
    expect(parseNodesFile('{"nodes":[]}').config).toBeNull();
  });

  it.each([
    [{ Backend: { Type: 'host-gw' } }, 'host-gw'],
    [{ backend: { type: 'VXLAN' } }, 'vxlan'],
    [{ Backend: { Type: 'udp' } }, ''],
    [{ Backend: { Type: 'alloc' } }, ''],
    [{}, ''],
  ])('takes the type that nodes publish from the network config %j', (network, type) => {
    expect(lease(file([A], network), '10.5.1.0-24').attrs.backendType).toBe(type);
  });

  it('takes names in any case', () => {
    expect(read({ Name: 'a', PublicIP: '192.168.50.1', Subnet: '10.5.1.0/24' })).toEqual(['10.5.1.0-24']);
  });

  it.each<[object, string]>([
    [{ ...A, subnet: undefined }, 'nodes[0]: the node has neither "subnet" nor "ipv6Subnet"'],
    [{ ...A, subnet: '10.5.1.0' }, 'nodes[0]: "10.5.1.0" is not an IPv4 prefix such as 10.5.0.0/16'],
    [{ ...A, name: undefined }, '10.5.1.0-24: the node has no "name"'],
    [{ ...A, publicIP: null }, '10.5.1.0-24: the node has neither "publicIP" nor "publicIPv6"'],
    [{ ...A, publicIP: 'here' }, '10.5.1.0-24: "here" is not an IPv4 address'],
    [{ ...A, publicIP: 7 }, '10.5.1.0-24: "publicIP" is 7, expected text'],
    [{ ...A, publicAddress: 'x' }, 'nodes[0]: unknown member "publicAddress"'],
    [{ ...A, subnets: 'x' }, 'nodes[0]: unknown member "subnets"; did you mean "subnet"?'],
  ])('leaves a node out that makes no sense, with the reason: %j', (node, reason) => {
    expect(read(node, { name: 'z', publicIP: '192.168.50.9', subnet: '10.5.9.0/24' })).toEqual([reason, '10.5.9.0-24']);
  });

  it.each([
    [{ name: 'a' }, 'name as node "a"'],
    [{ publicIP: '192.168.50.1' }, 'public address as node "a"'],
    [{ subnet: '10.5.1.0/25' }, 'subnet, or part of it, as node "a"'],
  ])('lets the first of two nodes count that collide in %j', (same, reason) => {
    const b = { name: 'b', publicIP: '192.168.50.2', subnet: '10.5.2.0/24', ...same };
    expect(read(A, b)).toEqual(['10.5.1.0-24', `nodes[1]: node "${b.name}" has the same ${reason}`]);
  });

  it.each([
    ['', 'the file is not valid JSON'],
    ['{"nodes": [', 'the file is not valid JSON'],
    ['[]', 'the file is not a JSON object'],
    ['{"nodes": {}}', '"nodes" is not a list'],
    ['{"network": 7, "nodes": []}', '"network" is not a JSON object'],
  ])('is no answer when it does not parse: %j', (text, reason) => {
    expect(() => parseNodesFile(text)).toThrow(reason);
  });
});

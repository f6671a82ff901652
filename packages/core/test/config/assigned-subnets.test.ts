import { parseNetworkConfig, type ParsedNetworkConfig } from '@tartan/core';
import { failure } from './support';

/* Where the datastore assigns subnets, flannel decodes net-conf.json and checks nothing of how the network is cut (flannel-compat 3.1). */

function parse(members: object): ParsedNetworkConfig {
  return parseNetworkConfig(JSON.stringify({ Backend: { Type: 'vxlan' }, ...members }), { assigned: true });
}

it.each<[object, string[]]>([
  [{ Network: '10.244.0.0/16', SubnetLen: 8 }, ['SubnetLen']],
  [
    { Network: '10.244.0.0/16', SubnetLen: 24, SubnetMin: '192.168.1.0', SubnetMax: '10.244.0.7' },
    ['SubnetLen', 'SubnetMin', 'SubnetMax'],
  ],
  [{ Network: '10.244.0.0/30' }, []],
  [{ Network: '10.244.0.0/32' }, []],
  [
    { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00::/127', IPv6SubnetLen: 3, IPv6SubnetMin: 'fd01::' },
    ['IPv6SubnetLen', 'IPv6SubnetMin'],
  ],
])('%j is taken, with a warning for each member that has no effect', (members, keys) => {
  expect(() => parseNetworkConfig(JSON.stringify({ Backend: { Type: 'vxlan' }, ...members }))).toThrow(
    /Subnet|Network/,
  );
  const { config, warnings } = parse(members);
  const { network, subnetMin, subnetMax, subnetLength } = (config.ipv4 ?? config.ipv6)!;
  expect([subnetMin.toString(), subnetMax.toString()]).toEqual([network.address.toString(), network.last.toString()]);
  expect(subnetLength).toBeLessThanOrEqual(config.ipv4 ? 32 : 128);
  expect(warnings.map(({ key }) => key)).toEqual(keys);
  for (const { message } of warnings) expect(message).toMatch(/has no effect: the datastore assigns the subnets/);
});

it.each<[object, RegExp]>([
  [{ Network: '10.244.0.0/16', SubnetLen: '24' }, /SubnetLen/],
  [{ Network: '10.244.0.0/16', SubnetMin: null }, /SubnetMin/],
  [{}, /Network/],
  [{ Network: '127.0.0.0/8' }, /loopback/],
])('%j is refused: flannel does not decode it, or no packet would ever pass', (members, message) => {
  expect(() => parse(members)).toThrow(message);
});

it('says so to everybody else', () => {
  expect(failure('{"Network":"10.244.0.0/30","Backend":{"Type":"vxlan"}}')).toMatch(/at most 28/);
});

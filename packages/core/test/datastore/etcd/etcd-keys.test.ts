import { Ipv4Prefix, Ipv6Prefix } from '../../../src/ip';
import { EtcdKeys, excluding, type KeyRange } from '../../../src/datastore/etcd/etcd-keys';

const show = ({ key, range_end }: KeyRange): string => `${key.toString()} .. ${range_end.toString()}`;

describe('etcd keys', () => {
  it.each([
    ['/coreos.com/network', '/coreos.com/network/config', '/coreos.com/network/subnets'],
    ['/coreos.com/network/', '/coreos.com/network/config', '/coreos.com/network/subnets'],
    ['//a///b/./c/../', '/a/b/config', '/a/b/subnets'],
    ['relative', 'relative/config', 'relative/subnets'],
    ['', 'config', 'subnets'],
    ['/', '/config', '/subnets'],
  ])('prefix %j is joined as Go joins it', (prefix, config, subnets) => {
    const keys = new EtcdKeys(prefix);
    expect([keys.config, keys.subnets]).toEqual([config, subnets]);
  });

  const keys = new EtcdKeys('/n');

  it('cover siblings of the folder, which are nobody’s lease', () => {
    expect(show(keys.all)).toBe('/n/subnets .. /n/subnett');
    expect(keys.name('/n/subnets/10.5.1.0-24')).toBe('10.5.1.0-24');
    expect(keys.name('/n/subnets-foo/10.5.1.0-24')).toBeNull();
  });

  it('of a place are all with the same network address', () => {
    const subnet = Ipv4Prefix.parse('10.5.1.0/24');
    const ipv6Subnet = Ipv6Prefix.parse('fc00::/64');
    expect(show(keys.place({ subnet, ipv6Subnet }))).toBe('/n/subnets/10.5.1.0- .. /n/subnets/10.5.1.0.');
    const [, end] = show(keys.place({ subnet: null, ipv6Subnet })).split(' .. ');
    expect(end).toBe('/n/subnets/0.0.0.0-0&fc00::-64\0');
  });

  it('can leave one key out of a range', () => {
    const range = { key: Buffer.from('b'), range_end: Buffer.from('f') };
    expect(excluding(range, 'd').map(show)).toEqual(['b .. d', 'd\0 .. f']);
    expect(excluding(range, 'b').map(show)).toEqual(['b\0 .. f']);
    expect(excluding(range, 'a').map(show)).toEqual(['b .. f']);
    expect(excluding(range, 'f').map(show)).toEqual(['b .. f']);
  });
});

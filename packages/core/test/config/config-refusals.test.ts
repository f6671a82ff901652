import { failure, failureOf, parse } from './support';

describe('refusals', () => {
  const v6 = { EnableIPv4: false, EnableIPv6: true };

  it.each<[object, string]>([
    // Wrong JSON types.
    [
      { Network: '10.1.0.0/16', SubnetLen: '24' },
      'SubnetLen is "24", expected a prefix length: a whole number without quotes, sign and fraction',
    ],
    [
      { Network: '10.1.0.0/16', SubnetLen: -1 },
      'SubnetLen is -1, expected a prefix length: a whole number without quotes, sign and fraction',
    ],
    [
      { Network: '10.1.0.0/16', SubnetLen: 24.5 },
      'SubnetLen is 24.5, expected a prefix length: a whole number without quotes, sign and fraction',
    ],
    [{ Network: '' }, 'Network is "", expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: null }, 'Network is null, expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: ['10.1.0.0/16'] }, 'Network is an array, expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: '10.1.0.0' }, 'Network is "10.1.0.0", expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: '10.1.0.0/33' }, 'Network is "10.1.0.0/33", expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: 'fd00::/48' }, 'Network is "fd00::/48", expected an IPv4 prefix in quotes, such as "10.5.0.0/16"'],
    [{ Network: '10.1.0.0/16', SubnetMin: null }, 'SubnetMin is null, expected an IPv4 address in quotes'],
    [{ Network: '10.1.0.0/16', SubnetMax: '10.1.0' }, 'SubnetMax is "10.1.0", expected an IPv4 address in quotes'],
    [{ Network: '10.1.0.0/16', EnableIPv6: 'true' }, 'EnableIPv6 is "true", expected true or false, without quotes'],
    // Semantics of the original.
    [
      {},
      'Network is absent, expected the IPv4 network of the overlay, such as "10.5.0.0/16", or "EnableIPv4": false for an overlay of IPv6 alone',
    ],
    [
      { Network: '0.0.0.0/0' },
      'Network is 0.0.0.0/0, which counts as absent, expected the IPv4 network of the overlay, such as "10.5.0.0/16", or "EnableIPv4": false for an overlay of IPv6 alone',
    ],
    [
      { Network: '10.1.0.0/16', SubnetLen: 31 },
      'SubnetLen is 31, expected a prefix length from 18 to 30, so that 10.1.0.0/16 has room for four subnets',
    ],
    [
      { Network: '10.1.0.0/16', SubnetLen: 17 },
      'SubnetLen is 17, expected a prefix length from 18 to 30, so that 10.1.0.0/16 has room for four subnets',
    ],
    [
      { Network: '10.1.0.0/29' },
      'Network is 10.1.0.0/29, expected a prefix length of at most 28, so that there is room for four subnets of /30; with 22 or less each host gets a /24',
    ],
    [
      { Network: '10.1.0.0/29', SubnetLen: 30 },
      'Network is 10.1.0.0/29, expected a prefix length of at most 28, so that there is room for four subnets of /30; with 22 or less each host gets a /24',
    ],
    [
      { Network: '10.1.0.0/16', SubnetMin: '10.2.0.0' },
      'SubnetMin is 10.2.0.0, expected an address inside of 10.1.0.0/16',
    ],
    [
      { Network: '10.1.0.0/16', SubnetMax: '10.1.9.1' },
      'SubnetMax is 10.1.9.1, expected the network address of a /24, such as 10.1.9.0',
    ],
    [
      { ...v6 },
      'IPv6Network is absent, expected the IPv6 network of the overlay, such as "fd00:10:5::/48", or "EnableIPv6": false for an overlay of IPv4 alone',
    ],
    [
      { ...v6, IPv6Network: 'fd00::/48', IPv6SubnetLen: 127 },
      'IPv6SubnetLen is 127, expected a prefix length from 50 to 126, so that fd00::/48 has room for four subnets',
    ],
    [
      { ...v6, IPv6Network: 'fd00::/125' },
      'IPv6Network is fd00::/125, expected a prefix length of at most 124, so that there is room for four subnets of /126; with 62 or less each host gets a /64',
    ],
    [
      { ...v6, IPv6Network: 'fd00::/48', IPv6SubnetMin: 'fd00::1' },
      'IPv6SubnetMin is fd00::1, expected the network address of a /64, such as fd00::',
    ],
    // What the original accepts and fails on later.
    [
      { ...v6, IPv6Network: '10.1.0.0/16' },
      'IPv6Network is "10.1.0.0/16", expected an IPv6 prefix in quotes, such as "fd00:10:5::/48"',
    ],
    [
      { Network: '10.1.0.0/16', SubnetMin: '10.1.9.0', SubnetMax: '10.1.2.0' },
      'SubnetMin is 10.1.9.0, expected at most 10.1.2.0, which is SubnetMax: otherwise there is no subnet to lease',
    ],
    [
      { Network: '10.1.0.0/16', SubnetMax: '10.1.0.0' },
      'SubnetMax is 10.1.0.0, expected at least 10.1.1.0, or a SubnetMin too: the first subnet is left out unless SubnetMin names it',
    ],
    [
      { EnableIPv4: false },
      'EnableIPv4 is false, expected true, or "EnableIPv6": true: with both families off there is no overlay',
    ],
    [
      { Network: '224.0.0.0/16' },
      'Network is 224.0.0.0/16, expected a network apart from 224.0.0.0/4, the multicast range (RFC 5771); such as "10.5.0.0/16"',
    ],
    [
      { Network: '127.0.0.0/16' },
      'Network is 127.0.0.0/16, expected a network apart from 127.0.0.0/8, the loopback network (RFC 1122); such as "10.5.0.0/16"',
    ],
    [
      { Network: '0.1.0.0/16' },
      'Network is 0.1.0.0/16, expected a network apart from 0.0.0.0/8, "this network" (RFC 1122); such as "10.5.0.0/16"',
    ],
    [
      { Network: '64.0.0.0/2' },
      'Network is 64.0.0.0/2, expected a network apart from 127.0.0.0/8, the loopback network (RFC 1122); such as "10.5.0.0/16"',
    ],
    [
      { ...v6, IPv6Network: 'ff02::/48' },
      'IPv6Network is ff02::/48, expected a network apart from ff00::/8, the multicast range (RFC 4291); such as "fd00:10:5::/48"',
    ],
    [
      { ...v6, IPv6Network: 'fe80::/64' },
      'IPv6Network is fe80::/64, expected a network apart from fe80::/10, the link-local range, which no router forwards (RFC 4291); such as "fd00:10:5::/48"',
    ],
    [
      { ...v6, IPv6Network: '::ffff:10.1.0.0/112' },
      'IPv6Network is ::ffff:a01:0/112, expected a network apart from ::ffff:0:0/96, the IPv4-mapped range (RFC 4291); such as "fd00:10:5::/48"',
    ],
    [
      { ...v6, IPv6Network: '::/48' },
      'IPv6Network is ::/48, expected a network apart from ::/127, the unspecified and the loopback address (RFC 4291); such as "fd00:10:5::/48"',
    ],
    // Backend.
    [
      { Network: '10.1.0.0/16', Backend: null },
      'Backend is null, expected an object with a type, such as {"Type": "vxlan"}',
    ],
    [
      { Network: '10.1.0.0/16', Backend: 'vxlan' },
      'Backend is "vxlan", expected an object with a type, such as {"Type": "vxlan"}',
    ],
    [
      { Network: '10.1.0.0/16', Backend: {} },
      'Backend.Type is absent, expected the name of a backend in quotes, such as "vxlan"',
    ],
    [
      { Network: '10.1.0.0/16', Backend: { Type: '' } },
      'Backend.Type is "", expected the name of a backend in quotes, such as "vxlan"',
    ],
    [
      { Network: '10.1.0.0/16', Backend: { Type: 1 } },
      'Backend.Type is 1, expected the name of a backend in quotes, such as "vxlan"',
    ],
  ])('%j', (members, message) => {
    expect(failureOf(members)).toBe(message);
  });

  it('names every problem at once', () => {
    const members = {
      Network: '10.1.0.0/16',
      SubnetMin: 'x',
      EnableIPv6: true,
      IPv6Network: 'fe80::/48',
      Backend: null,
    };
    expect(
      failureOf(members)
        .split('; ')
        .map((problem) => problem.split(' ')[0]),
    ).toEqual(['SubnetMin', 'IPv6Network', 'such', 'Backend']);
  });

  it('shows hostile values on one short line', () => {
    const message = failureOf({ Network: `\u009b31m\u202e\u2028\n${'x'.repeat(5_000)}` });
    expect(message).toContain('Network is "\\u009b31m\\u202e\\u2028\\nxxx');
    expect(message.length).toBeLessThan(200);
  });

  it('carries the problems as data', () => {
    const action = () => parse({ Network: '10.1.0.0/16', SubnetLen: 31, SubnetMin: 'x', Backend: null });
    expect(caught(action)).toMatchObject({
      code: 'CONFIG_INVALID',
      data: { key: 'SubnetMin', value: '"x"', others: [{ key: 'Backend', value: 'null' }] },
    });
  });

  it.each(['[]', '"x"', 'null', '1', 'true'])('refuses %s as a whole', (text) => {
    expect(failure(text)).toMatch(/^the whole text is .*, expected an object such as/);
  });

  it('passes on where the text stops being JSON', () => {
    expect(failure('{\n  "Network": "10.1.0.0/16",\n}')).toBe(
      'not JSON at line 3, column 1: a comma stands before the end; remove it',
    );
  });
});

function caught(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

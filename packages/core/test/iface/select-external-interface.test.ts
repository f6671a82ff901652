import {
  Ipv4Prefix,
  Ipv6Prefix,
  isTartanError,
  selectExternalInterface,
  type ExternalInterface,
  type InterfaceFamilies,
  type InterfaceOptions,
  type Route,
  type RtNetlink,
} from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import { overlaid } from './support';

const V4: InterfaceFamilies = { ipv4: true, ipv6: false };
const V6: InterfaceFamilies = { ipv4: false, ipv6: true };
const DUAL: InterfaceFamilies = { ipv4: true, ipv6: true };

let kernel: FakeKernel;
let logger: MemoryLogger;

beforeEach(() => {
  kernel = new FakeKernel();
  kernel.addLink({
    name: 'eth0',
    mtuBytes: 1500,
    addresses: ['10.0.0.5/24', '10.0.0.7/24', 'fd00::5/64', 'fe80::5/64'],
  });
  kernel.addLink({ name: 'eth1', mtuBytes: 9000, addresses: ['192.168.7.1/24', 'fd07::1/64'] });
  kernel.addLink({ name: 'wlan0', mtuBytes: 1400, addresses: ['172.16.0.1/24'] });
  logger = new MemoryLogger();
});

function select(
  options: Partial<InterfaceOptions>,
  families: InterfaceFamilies = V4,
  netlink: RtNetlink = kernel,
): Promise<ExternalInterface> {
  return selectExternalInterface({ netlink, families, logger, options: { iface: [], ifaceRegex: [], ...options } });
}

/** `eth0 10.0.0.5 fd00::5` */
async function chosen(...input: Parameters<typeof select>): Promise<string> {
  const { ifname, address, ipv6Address } = await select(...input);
  return [ifname, address, ipv6Address].filter((part) => part !== null).join(' ');
}

async function refusal(...input: Parameters<typeof select>): Promise<string> {
  const error: unknown = await select(...input).catch((reason: unknown) => reason);
  if (!isTartanError(error, 'IFACE_NOT_FOUND')) throw new Error(`expected IFACE_NOT_FOUND, got ${String(error)}`);
  return error.data.tried.join('; ');
}

describe('--iface with a name', () => {
  it.each([
    ['eth1', V4, 'eth1 192.168.7.1'],
    ['eth1', V6, 'eth1 fd07::1'],
    ['eth0', DUAL, 'eth0 10.0.0.5 fd00::5'],
  ] as const)('%s in %j is %s', async (name, families, expected) => {
    expect(await chosen({ iface: [name] }, families)).toBe(expected);
  });

  it('gives index, underlay MTU, published addresses and the rule', async () => {
    expect(await select({ iface: ['eth1'] }, DUAL)).toMatchObject({
      ifindex: kernel.link('eth1').index,
      mtuBytes: 9000,
      publicIP: { value: 0xc0a80701 },
      pickedBy: '--iface eth1',
    });
  });

  it('takes the first that works and says why the others did not', async () => {
    expect(await chosen({ iface: ['eth9', 'wlan0', 'eth1'] }, DUAL)).toBe('eth1 192.168.7.1 fd07::1');
    expect(logger.matching('led nowhere').map(({ fields }) => fields)).toEqual([
      { selector: '--iface eth9', reason: 'no such interface' },
      { selector: '--iface wlan0', reason: 'wlan0 has no usable IPv6 address' },
    ]);
  });

  it('names every candidate when nothing works', async () => {
    const error: unknown = await select({ iface: ['wlan0'] }, DUAL).catch((reason: unknown) => reason);
    expect(String(error)).toContain('--iface wlan0: wlan0 has no usable IPv6 address');
    expect(String(error)).toContain(
      'eth0 10.0.0.5, 10.0.0.7, fd00::5, fe80::5; eth1 192.168.7.1, fd07::1; wlan0 172.16',
    );
    expect(String(error)).toContain('lo 127.0.0.1 (loopback)');
  });

  it('refuses an interface without MTU', async () => {
    kernel.addLink({ name: 'odd0', mtuBytes: 0, addresses: ['10.9.0.1/24'] });
    expect(await refusal({ iface: ['odd0'] })).toBe('--iface odd0: odd0 has no MTU');
  });
});

describe('--iface with an address', () => {
  it.each([
    ['10.0.0.7', V4, 'eth0 10.0.0.7'],
    ['fd07::1', V6, 'eth1 fd07::1'],
    ['fe80::5', V6, 'eth0 fe80::5'],
    ['10.0.0.7', DUAL, 'eth0 10.0.0.7 fd00::5'],
    // The original ends in a nil interface here (flannel-compat D2).
    ['fd07::1', DUAL, 'eth1 192.168.7.1 fd07::1'],
    // The original finds nothing here: an address of the family that is off still names the interface.
    ['fd07::1', V4, 'eth1 192.168.7.1'],
    ['192.168.7.1', V6, 'eth1 fd07::1'],
  ] as const)('%s in %j is %s', async (address, families, expected) => {
    expect(await chosen({ iface: [address] }, families)).toBe(expected);
  });

  it('prefers an interface that is up over a down one and over loopback with the same address', async () => {
    kernel.addAddress('lo', '10.9.9.9/32');
    kernel.addLink({ name: 'down0', mtuBytes: 1500, up: false, addresses: ['10.9.9.9/24'] });
    kernel.addLink({ name: 'up0', mtuBytes: 1500, addresses: ['10.9.9.9/24'] });
    expect(await chosen({ iface: ['10.9.9.9'] })).toBe('up0 10.9.9.9');
  });

  it('honours a deprecated address that was asked for, but none that is not proven', async () => {
    const flags = { 'fd00::5': { tentative: true }, 'fd07::1': { deprecated: true } };
    const netlink = overlaid(kernel, { flags });
    expect(await chosen({ iface: ['fd07::1'] }, V6, netlink)).toBe('eth1 fd07::1');
    expect(await refusal({ iface: ['fd00::5'] }, V6, netlink)).toContain('on eth0, but tentative');
  });

  it('says when nobody has it', async () => {
    expect(await refusal({ iface: ['10.0.0.99'] })).toBe('--iface 10.0.0.99: no interface has this address');
  });
});

describe('preference among addresses', () => {
  beforeEach(() => {
    kernel.addLink({
      name: 'six0',
      mtuBytes: 1500,
      addresses: ['fe80::1/64', 'fd0a::1/64', 'fd0a::2/64', 'fd0a::3/64', 'fd0a::4/64'],
    });
  });

  it.each([
    ['global before link-local, then the order of the kernel', {}, 'fd0a::1'],
    ['permanent before dynamic', { 'fd0a::1': { permanent: false } }, 'fd0a::2'],
    ['stable before temporary', { 'fd0a::1': { temporary: true }, 'fd0a::2': { temporary: true } }, 'fd0a::3'],
    [
      'never deprecated, tentative or duplicate',
      { 'fd0a::1': { deprecated: true }, 'fd0a::2': { tentative: true }, 'fd0a::3': { dadFailed: true } },
      'fd0a::4',
    ],
    [
      'permanent counts more than temporary',
      {
        'fd0a::1': { permanent: false },
        'fd0a::2': { permanent: false },
        'fd0a::3': { temporary: true },
        'fd0a::4': { permanent: false },
      },
      'fd0a::3',
    ],
    [
      'link-local rather than nothing',
      Object.fromEntries([1, 2, 3, 4].map((last) => [`fd0a::${last}`, { deprecated: true }])),
      'fe80::1',
    ],
  ])('%s', async (_name, flags, expected) => {
    expect(await chosen({ iface: ['six0'] }, V6, overlaid(kernel, { flags }))).toBe(`six0 ${expected}`);
  });
});

describe('--iface-regex', () => {
  it.each([
    ['^192\\.168\\.', V4, 'eth1 192.168.7.1'],
    ['0\\.7$', V4, 'eth0 10.0.0.7'],
    ['^fd07', V6, 'eth1 fd07::1'],
    ['lan', V4, 'wlan0 172.16.0.1'],
    ['(?i)WLAN', V4, 'wlan0 172.16.0.1'],
    ['^(192\\.168|fd07)', DUAL, 'eth1 192.168.7.1 fd07::1'],
    // One family matching is enough; the other comes from the same interface (D2).
    ['^192\\.168\\.', DUAL, 'eth1 192.168.7.1 fd07::1'],
    // eth0 matches in IPv4 only, eth1 in both: addresses of two interfaces are never mixed.
    ['^(10\\.0|192\\.168|fd07)', DUAL, 'eth1 192.168.7.1 fd07::1'],
  ] as const)('%s in %j is %s', async (regex, families, expected) => {
    expect(await chosen({ ifaceRegex: [regex] }, families)).toBe(expected);
  });

  it('goes by index, with what is down after what is up', async () => {
    kernel.setLinkDown('eth0');
    expect(await chosen({ ifaceRegex: ['^eth'] })).toBe('eth1 192.168.7.1');
  });

  it('comes after every --iface and before --iface-can-reach', async () => {
    expect(await chosen({ iface: ['eth9'], ifaceRegex: ['nothing', 'eth1'], ifaceCanReach: '10.0.0.1' })).toContain(
      'eth1',
    );
  });

  it('is checked before anything is tried', async () => {
    const attempt = select({ iface: ['eth0'], ifaceRegex: ['('] });
    await expect(attempt).rejects.toMatchObject({ code: 'IFACE_OPTION_INVALID', data: { option: '--iface-regex' } });
  });
});

describe('--iface-can-reach', () => {
  it.each([
    ['192.168.7.200', V4, 'eth1 192.168.7.1'],
    ['fd07::99', V6, 'eth1 fd07::1'],
    ['192.168.7.200', DUAL, 'eth1 192.168.7.1 fd07::1'],
    ['fd07::99', DUAL, 'eth1 192.168.7.1 fd07::1'],
    ['192.168.7.200, fd07::99', DUAL, 'eth1 192.168.7.1 fd07::1'],
    ['fd07::99', V4, 'eth1 192.168.7.1'],
  ] as const)('%s in %j is %s', async (target, families, expected) => {
    expect(await chosen({ ifaceCanReach: target }, families)).toBe(expected);
  });

  it('takes the source address that the kernel would use', async () => {
    kernel.addRoute('203.0.113.0/24 via 10.0.0.1 dev eth0 src 10.0.0.7');
    expect(await chosen({ ifaceCanReach: '203.0.113.9' })).toBe('eth0 10.0.0.7');
  });

  it.each([
    ['10.0.0.200,fd07::99', DUAL, 'reached by different interfaces: eth0 and eth1'],
    ['203.0.113.9', V4, 'no route to 203.0.113.9'],
    ['10.0.0.5', V4, "10.0.0.5 is this host's own address"],
  ] as const)('%s is refused: %s', async (target, families, reason) => {
    expect(await refusal({ ifaceCanReach: target }, families)).toContain(reason);
  });

  it('refuses a blackhole', async () => {
    kernel.addRoute('blackhole 203.0.113.0/24');
    expect(await refusal({ ifaceCanReach: '203.0.113.9' })).toMatch(/no route to|of type blackhole/);
  });

  it.each(['nonsense', '10.0.0.1,10.0.0.2', '10.0.0.1,'])('"%s" is no valid value', async (target) => {
    await expect(select({ ifaceCanReach: target })).rejects.toMatchObject({ code: 'IFACE_OPTION_INVALID' });
  });
});

describe('the default route', () => {
  it.each([
    ['the only one', ['default via 10.0.0.1 dev eth0'], V4, 'eth0 10.0.0.5'],
    [
      'lowest metric',
      ['default via 10.0.0.1 dev eth0 metric 100', 'default via 192.168.7.9 dev eth1 metric 50'],
      V4,
      'eth1 192.168.7.1',
    ],
    ['IPv6', ['::/0 via fd07::9 dev eth1'], V6, 'eth1 fd07::1'],
    [
      'both families',
      ['default via 192.168.7.9 dev eth1', '::/0 via fd07::9 dev eth1'],
      DUAL,
      'eth1 192.168.7.1 fd07::1',
    ],
    ['one family only, the other filled in', ['default via 192.168.7.9 dev eth1'], DUAL, 'eth1 192.168.7.1 fd07::1'],
  ] as const)('%s', async (_name, routes, families, expected) => {
    for (const route of routes) kernel.addRoute(route);
    expect(await chosen({}, families)).toBe(expected);
  });

  it('says who picked it', async () => {
    kernel.addRoute('default via 10.0.0.1 dev eth0');
    expect((await select({})).pickedBy).toBe('default route');
  });

  it('is not followed through a dead link while a living one is there', async () => {
    kernel.addRoute('default via 10.0.0.1 dev eth0');
    kernel.addRoute('default via 192.168.7.9 dev eth1 metric 500');
    kernel.setCarrier('eth0', false);
    expect(await chosen({})).toBe('eth1 192.168.7.1');
  });

  it.each([
    ['none', [], V4, 'no IPv4 default route'],
    ['none in the family', ['default via 10.0.0.1 dev eth0'], V6, 'no IPv6 default route'],
    [
      'families apart',
      ['default via 10.0.0.1 dev eth0', '::/0 via fd07::9 dev eth1'],
      DUAL,
      'IPv4 leaves by eth0 but IPv6 by eth1',
    ],
    ['no address in one family', ['default via 172.16.0.9 dev wlan0'], DUAL, 'wlan0 has no usable IPv6 address'],
  ] as const)('is refused: %s', async (_name, routes, families, reason) => {
    for (const route of routes) kernel.addRoute(route);
    expect(await refusal({}, families)).toContain(reason);
  });

  describe('with several next hops (an error in the original)', () => {
    const multipath = (dst: string, ...hops: [string, number][]): Partial<Route> => ({
      dst: dst.includes(':') ? Ipv6Prefix.parse(dst) : Ipv4Prefix.parse(dst),
      type: 'unicast',
      metric: 0,
      dead: false,
      multipath: hops.map(([name, weight]) => ({ oif: kernel.link(name).index, weight })),
    });

    it.each([
      [
        'equal weights: lower index',
        [
          ['eth1', 1],
          ['eth0', 1],
        ],
        'eth0 10.0.0.5',
      ],
      [
        'the heavier one',
        [
          ['eth0', 1],
          ['eth1', 5],
        ],
        'eth1 192.168.7.1',
      ],
    ] as [string, [string, number][], string][])('%s', async (_name, hops, expected) => {
      expect(await chosen({}, V4, overlaid(kernel, { routes: [multipath('0.0.0.0/0', ...hops)] }))).toBe(expected);
    });

    it('prefers what is up', async () => {
      kernel.setLinkDown('eth1');
      const routes = [multipath('0.0.0.0/0', ['eth1', 9], ['eth0', 1])];
      expect(await chosen({}, V4, overlaid(kernel, { routes }))).toBe('eth0 10.0.0.5');
    });

    it('takes the one that carries both families', async () => {
      const routes = [multipath('0.0.0.0/0', ['eth0', 1], ['eth1', 1]), multipath('::/0', ['eth1', 1])];
      expect(await chosen({}, DUAL, overlaid(kernel, { routes }))).toBe('eth1 192.168.7.1 fd07::1');
    });
  });
});

describe('public addresses', () => {
  beforeEach(() => kernel.addRoute('default via 10.0.0.1 dev eth0'));

  it('say which interface, when this host carries them', async () => {
    const result = await select({ publicIP: '192.168.7.1' });
    expect(result).toMatchObject({ ifname: 'eth1', pickedBy: '--public-ip 192.168.7.1' });
  });

  it('say so in IPv6 too, in dual stack', async () => {
    expect(await chosen({ publicIPv6: 'fd07::1' }, DUAL)).toBe('eth1 192.168.7.1 fd07::1');
  });

  it('are published from the default route when nobody here has them (exit 1 in the original)', async () => {
    const result = await select({ publicIP: '203.0.113.5' });
    expect(`${String(result.address)} ${String(result.publicIP)}`).toBe('10.0.0.5 203.0.113.5');
    expect(result.pickedBy).toBe('default route');
    expect(logger.matching('as behind NAT')[0]?.fields).toMatchObject({ ifname: 'eth0' });
  });

  it('on loopback do not make it the external interface', async () => {
    kernel.addAddress('lo', '198.51.100.1/32');
    expect((await select({ publicIP: '198.51.100.1' })).ifname).toBe('eth0');
  });

  it('are also sent from when the chosen interface has them', async () => {
    expect(await chosen({ iface: ['eth0'], publicIP: '10.0.0.7' })).toBe('eth0 10.0.0.7');
  });

  it('of another interface are published with a warning', async () => {
    const result = await select({ iface: ['10.0.0.5'], publicIPv6: 'fd07::1' }, DUAL);
    expect([result.ifname, String(result.ipv6Address), String(result.publicIPv6)]).toEqual([
      'eth0',
      'fd00::5',
      'fd07::1',
    ]);
    expect(logger.matching('on another interface')[0]?.fields).toMatchObject({ owner: 'eth1' });
  });

  it('of a family that is off are ignored', async () => {
    expect(await select({ publicIPv6: 'fd07::1' }, V4)).toMatchObject({ ifname: 'eth0', publicIPv6: null });
  });

  it.each([
    ['publicIP', 'fd07::1'],
    ['publicIP', '0.0.0.0'],
    ['publicIP', '224.0.0.1'],
    ['publicIPv6', '10.0.0.1'],
    ['publicIPv6', 'host.example'],
  ] as const)('%s=%s is refused', async (option, value) => {
    await expect(select({ [option]: value })).rejects.toMatchObject({ code: 'IFACE_OPTION_INVALID', data: { value } });
  });

  it('stay null in a family that is off', async () => {
    expect(await select({ iface: ['eth1'] }, V6)).toMatchObject({ address: null, publicIP: null });
  });
});

it('logs a choice once, and again when it differs', async () => {
  const input = { netlink: kernel, families: V4, logger, options: { iface: ['eth9', 'eth0'], ifaceRegex: [] } };
  const first = await selectExternalInterface(input);
  const lines = logger.lines.length;
  expect(lines).toBe(2);
  await selectExternalInterface({ ...input, previous: first });
  expect(logger.lines).toHaveLength(lines);
  kernel.changeLink('eth0', { mtuBytes: 1400 });
  await selectExternalInterface({ ...input, previous: first });
  expect(logger.lines).toHaveLength(2 * lines);
});

it('passes on what netlink says', async () => {
  kernel.failNext('list-links', 'ENOBUFS', { socket: true });
  await expect(select({ iface: ['eth0'] })).rejects.toMatchObject({ code: 'KERNEL_SOCKET' });
});

import { execFileSync } from 'node:child_process';
import {
  selectExternalInterface,
  systemClock,
  watchExternalInterface,
  type ExternalInterface,
  type InterfaceChange,
  type InterfaceFamilies,
  type InterfaceOptions,
  type RtNetlink,
} from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { createRtNetlink } from '@tartan/netlink';

/*
 * The same choice against a real kernel: flags of addresses, multipath routes and route lookups are what the kernel makes of
 * them, not what a fake thinks.
 */

const namespace = `tartan-iface-${process.pid}`;
const DUAL: InterfaceFamilies = { ipv4: true, ipv6: true };

const ip = (...args: string[]): void => void execFileSync('ip', ['-n', namespace, ...args], { stdio: 'pipe' });

/** One `ip` command per line. */
const configure = (text: string): void => {
  for (const line of text.trim().split('\n')) ip(...line.trim().split(/\s+/));
};

let netlink: RtNetlink;

beforeEach(() => {
  execFileSync('ip', ['netns', 'add', namespace], { stdio: 'pipe' });
  netlink = createRtNetlink({ netns: `/run/netns/${namespace}` });
  configure(`
    link set lo up
    link add eth0 type veth peer name far0
    link add eth1 mtu 9000 type veth peer name far1 mtu 9000
    link set eth0 addrgenmode none
    link set eth1 addrgenmode none
    link set eth0 up
    link set far0 up
    link set eth1 up
    link set far1 up
    address add 10.0.0.5/24 dev eth0
    address add 10.0.0.7/24 dev eth0
    address add fd00::4/64 dev eth0 nodad preferred_lft 0
    address add fd00::5/64 dev eth0 nodad valid_lft 3000 preferred_lft 3000
    address add fd00::6/64 dev eth0 nodad
    address add 192.168.7.1/24 dev eth1
    address add fd07::1/64 dev eth1 nodad
  `);
});

afterEach(() => {
  netlink.close();
  execFileSync('ip', ['netns', 'delete', namespace], { stdio: 'pipe' });
});

function select(options: Partial<InterfaceOptions>, families = DUAL): Promise<ExternalInterface> {
  const all = { iface: [], ifaceRegex: [], ...options };
  return selectExternalInterface({ netlink, families, logger: new MemoryLogger(), options: all });
}

async function chosen(options: Partial<InterfaceOptions>, families = DUAL): Promise<string> {
  const { ifname, address, ipv6Address, mtuBytes } = await select(options, families);
  return [ifname, address, ipv6Address, mtuBytes].filter((part) => part !== null).join(' ');
}

it('prefers the address that lasts, and never a deprecated one', async () => {
  expect(await chosen({ iface: ['eth0'] })).toBe('eth0 10.0.0.5 fd00::6 1500');
  ip('address', 'delete', 'fd00::6/64', 'dev', 'eth0');
  expect(await chosen({ iface: ['eth0'] })).toBe('eth0 10.0.0.5 fd00::5 1500');
  ip('address', 'delete', 'fd00::5/64', 'dev', 'eth0');
  await expect(select({ iface: ['eth0'] })).rejects.toThrow('eth0 has no usable IPv6 address');
});

it('finds the owner of an address', async () => {
  expect(await chosen({ iface: ['fd07::1'] })).toBe('eth1 192.168.7.1 fd07::1 9000');
});

it('follows the kernel to a target in either family, with the source that the kernel would use', async () => {
  configure(`
    route add 203.0.113.0/24 via 10.0.0.1 dev eth0 src 10.0.0.7
    route add 2001:db8::/32 via fd00::1 dev eth0 src fd00::5
    route add blackhole 198.51.100.0/24
  `);
  expect(await chosen({ ifaceCanReach: '203.0.113.9,2001:db8::9' })).toBe('eth0 10.0.0.7 fd00::5 1500');
  expect(await chosen({ ifaceCanReach: 'fd07::9' })).toBe('eth1 192.168.7.1 fd07::1 9000');
  await expect(select({ ifaceCanReach: '198.51.100.1' })).rejects.toThrow('no external interface');
  await expect(select({ ifaceCanReach: '8.8.8.8' })).rejects.toThrow('no route to 8.8.8.8');
  await expect(select({ ifaceCanReach: '10.0.0.5' })).rejects.toThrow("this host's own address");
});

it('takes the lower metric, and any number of next hops', async () => {
  const v4 = { ipv4: true, ipv6: false };
  configure('route add default via 10.0.0.1 dev eth0 metric 200');
  expect(await chosen({}, v4)).toBe('eth0 10.0.0.5 1500');
  configure(
    'route add default metric 100 nexthop via 10.0.0.1 dev eth0 weight 1 nexthop via 192.168.7.9 dev eth1 weight 3',
  );
  expect(await chosen({}, v4)).toBe('eth1 192.168.7.1 9000');
});

it('takes the interface that carries both default routes', async () => {
  configure(`
    route add default nexthop via 10.0.0.1 dev eth0 nexthop via 192.168.7.9 dev eth1
    -6 route add default via fd07::9 dev eth1
  `);
  expect(await chosen({})).toBe('eth1 192.168.7.1 fd07::1 9000');
});

describe('the watch', () => {
  it('tells of MTU, address and re-creation as they happen', async () => {
    const changes: InterfaceChange[] = [];
    let wake = (): void => undefined;
    const next = async (count: number): Promise<string> => {
      while (changes.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return changes
        .slice(count - 1)
        .flatMap(({ reasons }) => reasons)
        .join(' ');
    };
    const watch = watchExternalInterface({
      netlink,
      clock: systemClock,
      logger: new MemoryLogger(),
      current: await select({ iface: ['eth0'] }),
      quietMs: 50,
      onChange: (change) => {
        changes.push(change);
        wake();
      },
    });
    try {
      await watch.ready;
      ip('link', 'set', 'eth0', 'mtu', '1400');
      expect(await next(1)).toBe('mtu');
      ip('address', 'delete', '10.0.0.5/24', 'dev', 'eth0');
      expect(await next(2)).toContain('addresses');
      ip('link', 'delete', 'eth0');
      expect(await next(changes.length + 1)).toContain('gone');
      configure('link add eth0 type veth peer name far0');
      expect(await next(changes.length + 1)).toContain('recreated');
    } finally {
      watch.close();
    }
  });
});

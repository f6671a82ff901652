import { createRtNetlink } from '@tartan/netlink';
import { NEIGHBOUR_FLAG, type RtNetlink } from '@tartan/core';
import { routeTypeNumber } from '../src/codec/route-type';
import { createNamespace, type TestNamespace } from './support/namespaces';

/* What iproute2 put into the kernel, read by both: every field that both have must agree. */

let netns: TestNamespace;
let netlink: RtNetlink | undefined;

const commands = [
  'ip link set lo up',
  'ip link add net0 type veth peer name net1',
  'ip link set net0 addrgenmode none',
  'ip link set net1 addrgenmode none',
  'ip link set net1 up',
  'ip link set net0 mtu 1400 up',
  'ip link add br0 type bridge',
  'ip link add port0 type veth peer name port1',
  'ip link set port0 master br0',
  'ip tuntap add tun0 mode tun',
  'ip addr add 192.0.2.1/24 dev net0',
  'ip addr add 192.0.2.10/24 dev net0',
  'ip addr add 10.5.74.0/32 dev net0 scope link',
  'ip addr add 10.9.0.1 peer 10.9.0.2/32 dev net0',
  'ip addr add 2001:db8::1/64 dev net0 nodad',
  'ip addr add 2001:db8::2/64 dev net0 nodad preferred_lft 0',
  'ip link add vx0 type vxlan id 7 dstport 8472 local 192.0.2.1 dev net0 nolearning',
  'ip link set vx0 addrgenmode none up',
  'ip route add 10.1.0.0/16 via 192.0.2.2 proto 99 metric 7',
  'ip route add 10.2.0.0/16 via 10.2.0.0 dev vx0 onlink proto boot',
  'ip route add 10.3.0.0/16 proto 99 nexthop via 192.0.2.2 weight 3 nexthop via 192.0.2.3 weight 1',
  'ip route add 10.4.0.0/16 via inet6 2001:db8::9 dev net0 proto static',
  'ip route add 10.6.0.0/16 dev net0 src 192.0.2.10 mtu 1300 tos 0x10',
  'ip route add blackhole 10.7.0.0/16 proto 99',
  'ip route add unreachable 10.8.0.0/16 metric 4278198272',
  'ip route add default via 192.0.2.254',
  'ip route add 2001:db8:1::/48 via 2001:db8::9 proto 99',
  'ip route add 2001:db8:2::/48 via 2001:db8::8 metric 5',
  'ip route append 2001:db8:2::/48 via 2001:db8::9 metric 5',
  'ip route add blackhole 2001:db8:3::/48',
  'ip route add default via 2001:db8::fe',
  'ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev net0 nud permanent',
  'ip neigh add 192.0.2.78 lladdr 02:00:00:00:00:78 dev net0 nud stale',
  'ip neigh add 2001:db8::77 lladdr 02:00:00:00:00:77 dev net0 nud permanent router',
  'bridge fdb add 02:00:00:00:00:01 dev vx0 dst 192.0.2.7 self permanent',
  'bridge fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.8 port 9999 vni 12 self permanent',
  'bridge fdb add 02:00:00:00:00:02 dev port0 master static',
];

beforeAll(async () => {
  netns = await createNamespace();
  for (const command of commands) {
    const [program, ...args] = command.split(' ') as [string, ...string[]];
    netns.run(program, ...args);
  }
});

afterAll(async () => {
  netlink?.close();
  await netns.close();
});

function reader(): RtNetlink {
  netlink ??= createRtNetlink({ netns: netns.pid, transport: 'native' });
  return netlink;
}

function json(program: string, ...args: string[]): Record<string, unknown>[] {
  const list = JSON.parse(netns.run(program, '-j', ...args) || '[]') as Record<string, unknown>[];
  // iproute2 writes an empty object for what it left out.
  return list.filter((entry) => Object.keys(entry).length > 0);
}

/** Members that are there, as text, in one order. */
function lines(entries: readonly Record<string, unknown>[]): string[] {
  return entries
    .map((entry) =>
      Object.entries(entry)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .sort()
        .join(' '),
    )
    .sort();
}

async function names(): Promise<Map<number, string>> {
  return new Map((await reader().listLinks()).map((link) => [link.index, link.name]));
}

test('links', async () => {
  const flagged = (link: Record<string, unknown>, flag: string): boolean => (link['flags'] as string[]).includes(flag);
  const theirs = json('ip', '-d', 'link', 'show').map((link) => ({
    index: link['ifindex'],
    name: link['ifname'],
    mtu: link['mtu'],
    kind: (link['linkinfo'] as { info_kind?: string } | undefined)?.info_kind,
    up: flagged(link, 'UP'),
    carrier: flagged(link, 'LOWER_UP'),
    pointToPoint: flagged(link, 'POINTOPOINT'),
    mac: link['link_type'] === 'ether' ? link['address'] : undefined,
  }));
  const ours = (await reader().listLinks()).map((link) => ({
    index: link.index,
    name: link.name,
    mtu: link.mtuBytes,
    kind: link.kind,
    up: link.up,
    carrier: link.carrier,
    pointToPoint: link.pointToPoint,
    mac: link.mac,
  }));
  expect(lines(ours)).toEqual(lines(theirs));
  const byName = new Map((await reader().listLinks()).map((link) => [link.name, link]));
  expect(byName.get('port0')?.masterIndex).toBe(byName.get('br0')?.index);
  expect(byName.get('net0')?.lowerIndex).toBe(byName.get('net1')?.index);
});

test('addresses', async () => {
  const device = await names();
  const theirs = json('ip', 'addr', 'show').flatMap((link) =>
    (link['addr_info'] as Record<string, unknown>[]).map((entry) => ({
      device: link['ifname'],
      local: entry['local'],
      peer: entry['address'],
      length: entry['prefixlen'],
      label: entry['label'],
      deprecated: entry['deprecated'] === true,
    })),
  );
  const ours = (await reader().listAddresses()).map((entry) => ({
    device: device.get(entry.ifindex),
    local: entry.address,
    peer: entry.peer,
    length: entry.prefixLength,
    label: entry.label,
    deprecated: entry.deprecated,
  }));
  expect(lines(ours)).toEqual(lines(theirs));
});

describe.each([4, 6] as const)('IPv%i routes', (family) => {
  const zero = family === 4 ? '0.0.0.0/0' : '::/0';
  const full = family === 4 ? '/32' : '/128';

  test.each(['main', 'local'])('of table %s', async (table) => {
    const device = await names();
    const via = (entry: Record<string, unknown>): unknown =>
      entry['gateway'] ?? (entry['via'] as { host?: string } | undefined)?.host;
    const theirs = json('ip', '-N', `-${family}`, '-d', 'route', 'show', 'table', table).map((entry) => ({
      dst: entry['dst'] === 'default' ? zero : String(entry['dst']) + (String(entry['dst']).includes('/') ? '' : full),
      type: Number(entry['type']),
      protocol: Number(entry['protocol']),
      scope: Number(entry['scope']),
      metric: entry['metric'] ?? 0,
      gateway: via(entry),
      device: entry['dev'],
      source: entry['prefsrc'],
      mtu: (entry['metrics'] as { mtu?: number }[] | undefined)?.[0]?.mtu,
      onlink: (entry['flags'] as string[]).includes('onlink'),
      dead: (entry['flags'] as string[]).some((flag) => flag === 'linkdown' || flag === 'dead'),
      hops: (entry['nexthops'] as Record<string, unknown>[] | undefined)?.map((hop) => [
        via(hop),
        hop['dev'],
        hop['weight'],
      ]),
    }));
    const ours = (await reader().listRoutes({ family, table: table === 'main' ? 254 : 255 })).map((route) => ({
      dst: route.dst,
      type: routeTypeNumber(route.type),
      protocol: route.protocol,
      scope: route.scope,
      metric: route.metric,
      gateway: route.gateway,
      device: device.get(route.oif ?? 0),
      source: route.prefSrc,
      mtu: route.mtuBytes,
      onlink: route.onlink,
      dead: route.dead,
      hops: route.multipath?.map((hop) => [hop.gateway, device.get(hop.oif ?? 0), hop.weight]),
    }));
    expect(ours.length).toBeGreaterThan(0);
    expect(lines(ours)).toEqual(lines(theirs));
  });
});

test('neighbours', async () => {
  const device = await names();
  const theirs = json('ip', 'neigh', 'show').map((entry) => ({
    address: entry['dst'],
    device: entry['dev'],
    mac: entry['lladdr'],
    router: 'router' in entry,
  }));
  const ours = (await reader().listNeighbours())
    // `ip neigh` leaves out what needs no resolution.
    .filter((entry) => (entry.state & 0x40) === 0)
    .map((entry) => ({
      address: entry.address,
      device: device.get(entry.ifindex),
      mac: entry.mac,
      router: (entry.flags & NEIGHBOUR_FLAG.router) !== 0,
    }));
  expect(ours.length).toBeGreaterThan(2);
  expect(lines(ours)).toEqual(lines(theirs));
});

test('forwarding entries', async () => {
  const device = await names();
  const theirs = json('bridge', 'fdb', 'show').map((entry) => ({
    mac: entry['mac'],
    device: entry['ifname'],
    dst: entry['dst'],
    port: entry['port'] === undefined ? undefined : Number(entry['port']),
    vni: entry['vni'],
    master: entry['master'],
    self: (entry['flags'] as string[]).includes('self'),
  }));
  const ours = (await reader().listFdb()).map((entry) => ({
    mac: entry.mac,
    device: device.get(entry.ifindex),
    dst: entry.dst,
    port: entry.port,
    vni: entry.vni,
    master: entry.masterIndex === undefined ? undefined : device.get(entry.masterIndex),
    self: (entry.flags & NEIGHBOUR_FLAG.self) !== 0,
  }));
  expect(ours.some((entry) => entry.vni === 12)).toBe(true);
  expect(lines(ours)).toEqual(lines(theirs));
});

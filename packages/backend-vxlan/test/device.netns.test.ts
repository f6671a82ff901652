import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Link } from '@tartan/core';
import { networkConfig, ownLease, peer, peerMac } from './support/nodes';
import { openNamespace, type OpenNamespace } from './support/open-namespace';
import { comesTrue, WorkingNode } from './support/working-node';

/*
 * The device on a real kernel: adopted, put right in place, made anew, and repaired. The state is read with iproute2, which knows
 * nothing of our netlink code.
 */

const UNDERLAY = `
  link add eth0 type veth peer name segment
  link set segment up
  link set eth0 addrgenmode none
  link set eth0 up
  address add 192.168.50.1/24 dev eth0
  address add fd00::1/64 dev eth0 nodad
`;

let host: OpenNamespace;
let node: WorkingNode | undefined;

beforeEach(async () => {
  host = await openNamespace(UNDERLAY);
});
afterEach(async () => {
  await node?.stop();
  node = undefined;
  await host.close();
});

async function start(families: 'ipv4' | 'ipv6' | 'dual' = 'dual', options = {}): Promise<WorkingNode> {
  node = await WorkingNode.start({ netlink: host.netlink, config: networkConfig(families, options), own: ownLease });
  await node.setPeers([peer(2), peer(3)]);
  return node;
}

async function device(name = 'flannel.1'): Promise<Link> {
  const link = (await host.netlink.listLinks()).find((candidate) => candidate.name === name);
  if (!link) throw new Error(`there is no device ${name}`);
  return link;
}

/** All that is on the device as iproute2 shows it. */
function onDevice(name = 'flannel.1'): string[] {
  const family = name.startsWith('flannel-v6') ? '-6' : '-4';
  const shown = [
    host.bridge(`fdb show dev ${name}`),
    host.ip(`${family} -N route show dev ${name} table main`),
    host.ip(`${family} neigh show dev ${name} nud permanent`),
    host.ip(`${family} -o addr show dev ${name}`).replaceAll(/^\d+: |\\/gm, ' '),
  ];
  const lines = shown.flatMap((text) => text.split('\n')).map((line) => line.trim().replaceAll(/\s+/g, ' '));
  return lines.filter((line) => line !== '').sort();
}

const expectedV4 = [
  `${peerMac(2)} dst 192.168.50.2 self permanent`,
  `${peerMac(3)} dst 192.168.50.3 self permanent`,
  `10.5.2.0 lladdr ${peerMac(2)} PERMANENT`,
  `10.5.3.0 lladdr ${peerMac(3)} PERMANENT`,
  '10.5.2.0/24 via 10.5.2.0 proto 158 onlink',
  '10.5.3.0/24 via 10.5.3.0 proto 158 onlink',
  'flannel.1 inet 10.5.1.0/32 scope global flannel.1 valid_lft forever preferred_lft forever',
].sort();

const expectedV6 = [
  `${peerMac(2, 6)} dst fd00::2 self permanent`,
  `${peerMac(3, 6)} dst fd00::3 self permanent`,
  `fc00:0:0:2:: lladdr ${peerMac(2, 6)} PERMANENT`,
  `fc00:0:0:3:: lladdr ${peerMac(3, 6)} PERMANENT`,
  'fc00:0:0:1:: proto 2 metric 256 pref medium',
  'fc00:0:0:2::/64 via fc00:0:0:2:: proto 158 metric 1024 onlink pref medium',
  'fc00:0:0:3::/64 via fc00:0:0:3:: proto 158 metric 1024 onlink pref medium',
  'flannel-v6.1 inet6 fc00:0:0:1::/128 scope global nodad valid_lft forever preferred_lft forever',
].sort();

describe('a node on a real kernel', () => {
  it('has both devices with exactly the objects for its peers', async () => {
    await start();
    expect(onDevice()).toEqual(expectedV4);
    expect(onDevice('flannel-v6.1')).toEqual(expectedV6);
    const detail = host.ip('-d link show flannel.1');
    expect(detail).toMatch(/<.*\bUP\b.*> mtu 1450 qdisc noqueue/);
    expect(detail).toContain(
      'vxlan id 1 local 192.168.50.1 dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300',
    );
    expect(detail).toContain('addrgenmode none');
    expect(host.ip('-d link show flannel-v6.1')).toContain(
      'vxlan id 1 local fd00::1 dev eth0 srcport 0 0 dstport 8472 nolearning',
    );
    expect(host.ip('link show flannel-v6.1')).toContain('mtu 1430');
    expect(await host.netlink.readSysctl('net/ipv6/conf/flannel.1/accept_ra')).toBe('0');
    expect(await host.netlink.readSysctl('net/ipv6/conf/flannel-v6.1/accept_ra')).toBe('0');
  });

  it('publishes the MAC that is on its device', async () => {
    const { published } = await start();
    expect(published?.backendData).toEqual({ VNI: 1, VtepMAC: (await device()).mac?.toString() });
    expect(published?.backendV6Data).toEqual({ VNI: 1, VtepMAC: (await device('flannel-v6.1')).mac?.toString() });
  });

  it.each([
    ['ipv4', ['flannel.1'], 1450],
    ['ipv6', ['flannel-v6.1'], 1430],
  ] as const)('with %s alone has one device', async (families, names, mtuBytes) => {
    const { mtuBytes: podMtu } = await start(families);
    const vxlan = (await host.netlink.listLinks()).filter(({ kind }) => kind === 'vxlan').map(({ name }) => name);
    expect(vxlan).toEqual(names);
    expect(podMtu).toBe(mtuBytes);
  });

  it('has GBP, learning, another VNI and port when told', async () => {
    await start('ipv4', { VNI: 42, Port: 4789, GBP: true, Learning: true });
    const detail = host.ip('-d link show flannel.42');
    expect(detail).toContain('vxlan id 42 local 192.168.50.1 dev eth0 srcport 0 0 dstport 4789 ttl auto');
    expect(detail).not.toContain('nolearning');
    expect(detail).toContain(' gbp');
  });
});

describe("flanneld's device and entries", () => {
  /** As flanneld leaves them (flannel-compat 4.1): protocol boot, and a peer that has left meanwhile. */
  const flanneld = (local = '192.168.50.1'): void => {
    host.ip(
      `link add flannel.1 address c2:25:54:cf:0e:af mtu 1450 txqueuelen 0 type vxlan id 1 dev eth0 local ${local} dstport 8472 nolearning`,
    );
    host.ip('address add 10.5.1.0/32 dev flannel.1');
    host.ip('link set flannel.1 up');
    for (const n of [2, 3, 99]) {
      host.ip(`neigh replace 10.5.${n}.0 lladdr ${peerMac(n)} dev flannel.1 nud permanent`);
      host.bridge(`fdb replace ${peerMac(n)} dev flannel.1 dst 192.168.50.${n} self permanent`);
      host.ip(`route replace 10.5.${n}.0/24 via 10.5.${n}.0 dev flannel.1 onlink`);
    }
  };

  it('are taken over without a change to what peers rely on', async () => {
    flanneld();
    const before = await device();
    const { published } = await start('ipv4');
    expect(published?.backendData).toEqual({ VNI: 1, VtepMAC: 'c2:25:54:cf:0e:af' });
    const { index, mac } = await device();
    expect({ index, mac }).toEqual({ index: before.index, mac: before.mac });
    expect(onDevice().filter((line) => !line.includes('inet6'))).toEqual(expectedV4);
  });

  it('are corrected in place where they differ', async () => {
    flanneld('203.0.113.9');
    host.ip('link set flannel.1 type vxlan learning');
    host.ip('link set flannel.1 mtu 1400');
    host.ip('link set flannel.1 down');
    const { index } = await device();
    await start('ipv4');
    const detail = host.ip('-d link show flannel.1');
    expect((await device()).index).toBe(index);
    expect(detail).toContain('local 192.168.50.1 dev eth0 srcport 0 0 dstport 8472 nolearning');
    expect(detail).toContain('mtu 1450');
    expect(onDevice().filter((line) => !line.includes('inet6'))).toEqual(expectedV4);
  });

  it('are made anew with the same MAC where the kernel cannot change them', async () => {
    flanneld();
    const { index } = await device();
    await start('ipv4', { Port: 4789 });
    const after = await device();
    expect(after.index).not.toBe(index);
    expect(after.mac?.toString()).toBe('c2:25:54:cf:0e:af');
    expect(after.vxlan?.port).toBe(4789);
    expect(onDevice()).toEqual(expectedV4);
  });

  it('are left alone until the peers are known', async () => {
    flanneld();
    const before = onDevice();
    node = await WorkingNode.start({
      netlink: host.netlink,
      config: networkConfig('ipv4', { Port: 4789 }),
      own: ownLease,
    });
    expect(onDevice()).toEqual(before);
  });
});

describe('what is done to the device is undone at once', () => {
  it.each<[string, string]>([
    ['deleted', 'link delete flannel.1'],
    ['set down', 'link set flannel.1 down'],
    ['given another MTU', 'link set flannel.1 mtu 1300'],
    ['made to learn', 'link set flannel.1 type vxlan learning'],
    ['given another local address', 'link set flannel.1 type vxlan local 192.168.50.77'],
    ['renamed', 'link set flannel.1 name stolen'],
    ['given a foreign address', 'address add 192.168.77.1/24 dev flannel.1'],
    ['robbed of its address', 'address delete 10.5.1.0/32 dev flannel.1'],
    ['robbed of a route', 'route delete 10.5.2.0/24'],
    ['robbed of a neighbour', 'neigh delete 10.5.2.0 dev flannel.1'],
    ['given a stale neighbour', 'neigh replace 10.5.88.0 lladdr 02:00:00:00:00:88 dev flannel.1 nud permanent'],
    ['flushed', 'address flush dev flannel.1'],
  ])('%s', async (_, command) => {
    await start();
    const repairs = await node!.metric('tartan_repairs_total');
    if (command.includes(' name ')) host.ip('link set flannel.1 down');
    host.ip(command);
    if (command.includes(' name ')) host.ip('link delete stolen');
    await comesTrue('the device is as it was', async () => {
      const link = (await host.netlink.listLinks()).find(({ name, up }) => name === 'flannel.1' && up);
      const right =
        link?.mtuBytes === 1450 && link.vxlan?.learning === false && link.vxlan.local?.toString() === '192.168.50.1';
      return right && JSON.stringify(onDevice()) === JSON.stringify(expectedV4);
    });
    expect(onDevice('flannel-v6.1')).toEqual(expectedV6);
    await comesTrue('the repair is counted', async () => (await node!.metric('tartan_repairs_total')) > repairs);
  });

  it('robbed of a forwarding entry, or given another destination', async () => {
    await start();
    host.bridge(`fdb delete ${peerMac(2)} dev flannel.1 dst 192.168.50.2 self`);
    host.bridge(`fdb replace ${peerMac(3)} dev flannel.1 dst 192.168.50.77 self permanent`);
    await comesTrue('both are back', () => JSON.stringify(onDevice()) === JSON.stringify(expectedV4));
  });

  it.each(['flannel.1', 'flannel-v6.1'])('%s with another MAC', async (name) => {
    await start();
    const mac = (await device(name)).mac?.toString();
    host.ip(`link set ${name} address 02:99:99:99:99:01`);
    await comesTrue('the MAC is back', async () => (await device(name)).mac?.toString() === mac);
    await comesTrue('nothing is lost', () => JSON.stringify(onDevice()) === JSON.stringify(expectedV4));
  });

  it('the uplink deleted and made anew, and with it both devices', async () => {
    const one = await start();
    host.ip('link delete eth0');
    for (const line of UNDERLAY.trim().split('\n')) host.ip(line);
    await one.renew();
    await comesTrue('all is back', async () => {
      const names = (await host.netlink.listLinks()).map(({ name }) => name);
      return (
        names.includes('flannel.1') &&
        names.includes('flannel-v6.1') &&
        JSON.stringify([onDevice(), onDevice('flannel-v6.1')]) === JSON.stringify([expectedV4, expectedV6])
      );
    });
  });

  it('the uplink down and up', async () => {
    await start();
    host.ip('link set eth0 down');
    host.ip('link set eth0 up');
    await comesTrue('all is there', () => JSON.stringify(onDevice()) === JSON.stringify(expectedV4));
  });
});

describe('when the uplink changes', () => {
  it('its address: the device follows in place', async () => {
    const one = await start('ipv4');
    const { index } = await device();
    host.ip('address delete 192.168.50.1/24 dev eth0');
    host.ip('address add 192.168.50.66/24 dev eth0');
    await one.renew();
    await comesTrue('the device sends from the new address', async () => {
      return (await device()).vxlan?.local?.toString() === '192.168.50.66';
    });
    expect((await device()).index).toBe(index);
    expect(onDevice()).toEqual(expectedV4);
  });

  it.each([1400, 9000])('its MTU to %d: the device follows in place', async (mtuBytes) => {
    const one = await start('ipv4');
    const { index } = await device();
    host.ip(`link set segment mtu ${mtuBytes}`);
    host.ip(`link set eth0 mtu ${mtuBytes}`);
    await one.renew();
    await comesTrue('the device has the new MTU', async () => (await device()).mtuBytes === mtuBytes - 50);
    expect((await device()).index).toBe(index);
    expect(one.mtuBytes).toBe(mtuBytes - 50);
  });

  it('to another interface: the device follows in place', async () => {
    const one = await start('ipv4');
    const { index } = await device();
    host.ip('link set eth0 down');
    host.ip('link set eth0 name lan0');
    host.ip('link set lan0 up');
    await one.stop();
    node = await WorkingNode.start({
      netlink: host.netlink,
      config: networkConfig('ipv4'),
      own: ownLease,
      iface: 'lan0',
    });
    await node.setPeers([peer(2), peer(3)]);
    expect((await device()).index).toBe(index);
    expect(onDevice()).toEqual(expectedV4);
  });
});

describe('peers that change', () => {
  it('leave nothing of their old MAC and address behind', async () => {
    const one = await start('ipv4');
    await one.setPeers([
      peer(2, { data: { VNI: 1, VtepMAC: '0a:00:00:00:ff:02' } }),
      peer(3, { publicIP: '192.168.50.133' }),
    ]);
    expect(onDevice()).toEqual(
      expectedV4
        .map((line) => line.replace(peerMac(2), '0a:00:00:00:ff:02').replace('dst 192.168.50.3', 'dst 192.168.50.133'))
        .sort(),
    );
    await one.setPeers([]);
    expect(onDevice()).toEqual([expectedV4.at(-1)]);
  });
});

it('another device on the port with another GBP flag is named', async () => {
  host.ip('link add other type vxlan id 77 dev eth0 local 192.168.50.1 dstport 8472 gbp');
  host.ip('link set other up');
  await expect(start('ipv4')).rejects.toMatchObject({ code: 'BACKEND_VXLAN_PORT_IN_USE', data: { ifname: 'other' } });
});

it('a program on the port is named, nothing is left behind, and it works as soon as the port is free', async () => {
  const listener = "require('node:dgram').createSocket('udp4').bind(8472, () => console.log('bound'))";
  const program = spawn('nsenter', ['-t', String(host.pid), '-n', process.execPath, '-e', listener], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(program.stdout, 'data');
    await expect(start('ipv4')).rejects.toMatchObject({ code: 'BACKEND_VXLAN_PORT_IN_USE', data: { port: 8472 } });
    await expect(device()).rejects.toThrow('no device');
  } finally {
    program.kill('SIGKILL');
    await once(program, 'exit');
  }
  await start('ipv4');
  expect(onDevice()).toEqual(expectedV4);
});

it('another device with the VNI is named', async () => {
  host.ip('link add cilium_vxlan type vxlan id 1 dev eth0 local 192.168.50.1 dstport 8472');
  await expect(start('ipv4')).rejects.toMatchObject({
    code: 'BACKEND_VXLAN_VNI_IN_USE',
    data: { ifname: 'cilium_vxlan' },
  });
});

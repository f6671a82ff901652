import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkConfig, ownLease, peer } from './support/nodes';
import { openNamespace, type OpenNamespace } from './support/open-namespace';
import { comesTrue, WorkingNode } from './support/working-node';

/*
 * Who computes the checksums, seen on the wire. The uplink is a veth, which takes over every checksum and never computes one; so
 * what is left to the uplink is not right yet in a capture, nor is an outer one that was computed for an inner one to come.
 */

const CHECKSUM = 'tx-checksum-ip-generic';
/** tcpdump takes packets to 8472 for OTV. */
const PORT = 4789;
const GATEWAY_MAC = '02:00:00:00:00:fe';

const UNDERLAY = `
  link add eth0 type veth peer name segment
  link set segment up
  link set eth0 addrgenmode none
  link set eth0 up
  address add 192.168.50.1/24 dev eth0
  address add fd00::1/64 dev eth0 nodad
  neigh add 192.168.50.2 lladdr ${GATEWAY_MAC} dev eth0
  neigh add fd00::2 lladdr ${GATEWAY_MAC} dev eth0
`;

let host: OpenNamespace;
let node: WorkingNode;

beforeEach(async () => {
  host = await openNamespace(UNDERLAY);
});
afterEach(async () => {
  await node.stop();
  await host.close();
});

async function start(families: 'ipv4' | 'ipv6' | 'dual', option: string): Promise<void> {
  const config = networkConfig(families, { TxChecksumOffload: option, Port: PORT });
  node = await WorkingNode.start({ netlink: host.netlink, config, own: ownLease });
  await node.setPeers([peer(2)]);
}

/** As ethtool, which has code of its own, sees it. */
function feature(ifname: string, name = CHECKSUM): string {
  const line = host.run('ethtool', '-k', ifname).split('\n');
  return line.find((candidate) => candidate.trim().startsWith(`${name}:`))?.trim() ?? 'absent';
}

interface Checksums {
  readonly outer: readonly string[];
  readonly inner: readonly string[];
}

/** Sends a datagram and the first packet of a connection to the peer's subnet, and looks at both on the uplink. */
async function onTheWire(target: string): Promise<Checksums> {
  const inside = ['-t', String(host.pid), '-n', '-m'];
  const capture = ['tcpdump', '-i', 'eth0', '-Q', 'out', '-nn', '-vv', '-c', '2', `udp port ${PORT}`];
  const tcpdump = spawn('nsenter', [...inside, ...capture], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 10_000 });
  try {
    let text = '';
    tcpdump.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = once(tcpdump, 'close');
    await once(tcpdump.stderr, 'data');
    const script = `
      require('node:net').connect({ host: '${target}', port: 9 }).on('error', () => {});
      require('node:dgram').createSocket('udp${target.includes(':') ? 6 : 4}').send(Buffer.alloc(1200, 7), 9, '${target}');
      setTimeout(() => process.exit(), 200);
    `;
    host.run(process.execPath, '-e', script);
    await ended;
    return { outer: verdicts(text, 'VXLAN'), inner: [...verdicts(text, 'UDP, length'), ...tcpVerdicts(text)] };
  } finally {
    tcpdump.kill();
  }
}

function verdicts(text: string, behind: string): string[] {
  const pattern = new RegExp(`\\[(udp sum ok|bad udp cksum)[^\\]]*\\] ${behind}`, 'g');
  return [...text.matchAll(pattern)].map(([, verdict]) => (verdict === 'udp sum ok' ? 'right' : 'not right yet'));
}

function tcpVerdicts(text: string): string[] {
  const found = [...text.matchAll(/cksum 0x\w+ \((correct|incorrect)/g)];
  return found.map(([, verdict]) => (verdict === 'correct' ? 'right' : 'not right yet'));
}

const OPEN = ['not right yet', 'not right yet'];
const RIGHT = ['right', 'right'];

describe.each([
  ['ipv4', 'flannel.1', '10.5.2.9'],
  ['ipv6', 'flannel-v6.1', 'fc00:0:0:2::9'],
] as const)('checksums of packets in the tunnel, %s', (families, ifname, target) => {
  it('on: none is complete before the uplink', async () => {
    await start(families, 'on');
    expect(feature(ifname)).toBe(`${CHECKSUM}: on`);
    expect(await onTheWire(target)).toEqual({ outer: OPEN, inner: OPEN });
  });

  it('off: the inner ones are computed here, segmentation too', async () => {
    await start(families, 'off');
    expect(feature(ifname)).toBe(`${CHECKSUM}: off`);
    expect(feature(ifname, 'tx-tcp-segmentation')).toBe('tx-tcp-segmentation: off [requested on]');
    expect(await onTheWire(target)).toEqual({ outer: OPEN, inner: RIGHT });
  });

  it('off, and off on the uplink too: all are computed here', async () => {
    await start(families, 'off');
    host.run('ethtool', '-K', 'eth0', CHECKSUM, 'off');
    expect(await onTheWire(target)).toEqual({ outer: RIGHT, inner: RIGHT });
  });

  it('auto: the kernel’s default, until evidence comes', async () => {
    await start(families, 'auto');
    expect(await onTheWire(target)).toEqual({ outer: OPEN, inner: OPEN });
    node.reportEvidence({ brokenTxChecksums: 'a probe' });
    await comesTrue('off', () => feature(ifname) === `${CHECKSUM}: off`);
    expect(await onTheWire(target)).toEqual({ outer: OPEN, inner: RIGHT });
    await comesTrue('told', async () => (await node.metric('tartan_findings', { code: 'CHECKSUM_OFFLOAD_OFF' })) === 1);
  });
});

describe('the setting', () => {
  it('comes back at once when somebody changes it', async () => {
    await start('dual', 'off');
    for (const ifname of ['flannel.1', 'flannel-v6.1']) {
      host.run('ethtool', '-K', ifname, CHECKSUM, 'on');
      await comesTrue('off again', () => feature(ifname) === `${CHECKSUM}: off`);
    }
    await comesTrue('both counted', async () => (await node.metric('tartan_repairs_total', { kind: 'feature' })) === 2);
  });

  it('is on a device that was made anew before anything is sent through it', async () => {
    await start('ipv4', 'off');
    host.ip('link del flannel.1');
    await comesTrue('route again', () => host.ip('route show').includes('flannel.1'));
    expect(feature('flannel.1')).toBe(`${CHECKSUM}: off`);
  });

  it('of an administrator stays with auto', async () => {
    await start('ipv4', 'auto');
    host.run('ethtool', '-K', 'flannel.1', CHECKSUM, 'off');
    await node.setPeers([peer(2), peer(3)]);
    expect(feature('flannel.1')).toBe(`${CHECKSUM}: off`);
  });
});

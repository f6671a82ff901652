import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import type { PacketLoopFeature } from '../../src';
import { createLab, type Agent, type Lab, type Site } from '../support/native/lab';

const addon = join(__dirname, '..', '..', 'native', 'build', 'Release', 'tartan_udp.node');
const support = join(__dirname, '..', 'support', 'native');
const rawProgram = join(support, 'raw.py');
const MARK = Buffer.from('TARTANRAW');
const LONG = 120_000;

let lab: Lab;
const programs: Agent[] = [];

interface Stats {
  readonly txPackets: number;
  readonly rxPackets: number;
  readonly tunReads: number;
  readonly drops: Record<string, number>;
}

beforeAll(async () => {
  if (!existsSync(addon)) throw new Error('the native addon is not built: npm run build:native -w @tartan/backend-udp');
  lab = await createLab();
}, LONG);

afterEach(async () => {
  for (const program of programs.splice(0)) await program.kill();
  for (const site of [lab.a, lab.b]) await site.host.ask({ command: 'stop' }).catch(() => undefined);
}, LONG);

afterAll(() => lab.close(), LONG);

async function startBoth(options: object = {}): Promise<void> {
  await lab.a.start(options);
  await lab.b.start(options);
}

function statsOf(site: Site): Promise<Stats> {
  return site.host.ask({ command: 'stats' });
}

function threadOf(pid: number, name: string): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return Number(threads.find((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8') === `${name}\n`) ?? NaN);
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 300; turn++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come true`);
}

const SWITCHES = ['tunTso', 'tunUso', 'udpSegment', 'udpGro', 'coalesce'] as const;
const combinations = Array.from({ length: 2 ** SWITCHES.length }, (_, bits) =>
  Object.fromEntries(SWITCHES.map((name, index) => [name, (bits & (1 << index)) !== 0])),
);

describe('content', () => {
  it.each(combinations)(
    'arrives whole both ways with %j',
    async (offloads) => {
      const features = await lab.a.start({ offloads });
      await lab.b.start({ offloads });
      for (const { name, on, reason } of features) {
        if (offloads[name] === false) expect({ on, reason }).toEqual({ on: false, reason: 'switched off' });
      }
      const sent = await Promise.all([
        lab.a.send(lab.b.podAddress, 600_000),
        lab.b.send(lab.a.podAddress, 600_000),
        lab.a.send(lab.b.podAddress6, 200_000),
      ]);
      expect(sent).toEqual([true, true, true]);
      const { drops } = await statsOf(lab.a);
      expect(drops).toMatchObject({
        malformed: 0,
        truncated: 0,
        'unknown-peer': 0,
        'spoofed-source': 0,
        'tun-down': 0,
      });
    },
    LONG,
  );

  it(
    'is carried in super-packets: fewer system calls than packets',
    async () => {
      await startBoth();
      expect(await lab.a.send(lab.b.podAddress, 4_000_000)).toBe(true);
      const { txPackets, tunReads } = await statsOf(lab.a);
      expect(txPackets).toBeGreaterThan(4_000_000 / 1472);
      expect(tunReads).toBeLessThan(txPackets / 2);
    },
    LONG,
  );

  it(
    'arrives whole through an uplink without checksum offload, where some kernels refuse UDP_SEGMENT',
    async () => {
      await startBoth();
      lab.a.run('ethtool', '-K', 'eth0', 'tx', 'off');
      try {
        const refused = lab.a.run('python3', join(support, 'udp-segment.py'), lab.b.underlay).trim();
        expect(await lab.a.send(lab.b.podAddress, 1_000_000)).toBe(true);
        expect(await lab.a.send(lab.b.podAddress6, 300_000)).toBe(true);
        const features: PacketLoopFeature[] = await lab.a.host.ask({ command: 'features' });
        const reason = refused === '' ? undefined : `${refused} from sendmsg with UDP_SEGMENT`;
        expect(features.find(({ name }) => name === 'udpSegment')?.reason).toBe(reason);
        expect((await statsOf(lab.a)).drops['send-failed']).toBe(0);
      } finally {
        lab.a.run('ethtool', '-K', 'eth0', 'tx', 'on');
      }
    },
    LONG,
  );

  it(
    'arrives whole with two queues',
    async () => {
      await startBoth({ queues: 2 });
      const sent = Array.from({ length: 4 }, () => lab.a.send(lab.b.podAddress, 300_000));
      for (const one of sent) expect(await one).toBe(true);
      expect(await lab.b.send(lab.a.podAddress6, 300_000)).toBe(true);
    },
    LONG,
  );

  it(
    'arrives whole while tables of ten thousand routes are swapped',
    async () => {
      await startBoth();
      const swapping = lab.a.host.ask({ command: 'swap', routes: lab.a.routes, times: 40 });
      for (let round = 0; round < 4; round++) expect(await lab.a.send(lab.b.podAddress, 3_000_000)).toBe(true);
      await swapping;
      expect((await statsOf(lab.a)).drops['no-route']).toBe(0);
    },
    LONG,
  );
});

/** An IPv4 packet from pod a to pod b; the kernel of the sender completes nothing in it but a missing checksum. */
function ipv4({ protocol = 132, options = '', flags = 0x4000, id = 77, body = '' }): string {
  const text = Buffer.concat([Buffer.from(body, 'hex'), MARK]);
  const extra = Buffer.from(options, 'hex');
  const header = Buffer.alloc(20);
  header[0] = 0x45 + extra.length / 4;
  header.writeUInt16BE(20 + extra.length + text.length, 2);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE(flags, 6);
  header[8] = 64;
  header[9] = protocol;
  header.set([10, 5, 1, 2], 12);
  header.set([10, 5, 2, 2], 16);
  return Buffer.concat([header, extra, text]).toString('hex');
}

function ipv6(nextHeader: number, body: string): string {
  const text = Buffer.concat([Buffer.from(body, 'hex'), MARK]);
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(text.length, 4);
  header[6] = nextHeader;
  header[7] = 64;
  header.set(Buffer.from('fd000005000100000000000000000002', 'hex'), 8);
  header.set(Buffer.from('fd000005000200000000000000000002', 'hex'), 24);
  return Buffer.concat([header, text]).toString('hex');
}

/** Without what routers change: TTL and header checksum. */
function unrouted(hex: string): string {
  const packet = Buffer.from(hex, 'hex');
  if (packet[0] === undefined) return '';
  if (packet[0] >> 4 === 6) packet[7] = 0;
  else packet.fill(0, 10, 12)[8] = 0;
  return packet.toString('hex');
}

describe('packets of every kind', () => {
  it(
    'pass untouched but for one hop of each router',
    async () => {
      await startBoth();
      const packets = [
        ipv4({ protocol: 132, body: '0102030405060708090a0b0c' }),
        ipv4({ protocol: 17, body: '1000200000110000' }),
        ipv4({ protocol: 17, flags: 0x2000, body: '10002000002000000000000000000000' }),
        ipv4({ protocol: 17, flags: 0x0002, body: '00'.repeat(16) }),
        ipv4({ protocol: 6, options: '01010100', body: '00'.repeat(20) }),
        ipv4({ protocol: 253, body: '' }),
        ipv6(132, '0102030405060708090a0b0c'),
        ipv6(44, '1100000100000009' + '00'.repeat(16)),
        ipv6(60, '1100010400000000' + '1000200000110000'),
      ];
      const receiver = lab.b.spawnInPod('python3', rawProgram, 'receive', 'eth0', String(packets.length));
      programs.push(receiver);
      await receiver.line();
      const sender = lab.a.spawnInPod('python3', rawProgram, 'send');
      programs.push(sender);
      sender.write(packets.map((packet) => `${packet}\n`).join(''));
      sender.end();
      const received: string[] = [];
      while (received.length < packets.length) received.push(await receiver.line());
      expect(received.map(unrouted)).toEqual(packets.map(unrouted));
      // Host a, the tunnel, host b.
      for (const packet of received) expect(Buffer.from(packet, 'hex')[packet.startsWith('6') ? 7 : 8]).toBe(64 - 3);
    },
    LONG,
  );

  it(
    'go as one datagram each, none larger than the MTU of the underlay',
    async () => {
      await startBoth();
      lab.a.run('ethtool', '-K', 'eth0', 'tso', 'off', 'gso', 'off', 'tx-udp-segmentation', 'off');
      const wire = lab.b.spawn('python3', rawProgram, 'wire', 'eth0', '8285');
      programs.push(wire);
      await wire.line();
      expect(await lab.a.send(lab.b.podAddress, 2_000_000)).toBe(true);
      expect(await lab.a.send(lab.b.podAddress6, 500_000)).toBe(true);
      wire.end();
      const [seen, largest, bad] = (await wire.line()).split(' ').map(Number);
      lab.a.run('ethtool', '-K', 'eth0', 'tso', 'on', 'gso', 'on', 'tx-udp-segmentation', 'on');
      expect({ largest, bad }).toEqual({ largest: 1500, bad: 0 });
      expect(seen).toBeGreaterThan(500);
    },
    LONG,
  );
});

describe('errors reach the sender', () => {
  it(
    'time exceeded, of both families',
    async () => {
      await startBoth();
      expect(lab.a.runInPod('ping', '-c1', '-W5', '-t2', lab.b.podAddress)).toMatch(
        /From 10\.5\.2\.0 .*Time to live exceeded/,
      );
      expect(lab.a.runInPod('ping', '-c1', '-W5', '-t2', lab.b.podAddress6)).toMatch(/From fd00:5:2:: .*Hop limit/);
      expect((await statsOf(lab.a)).drops['ttl']).toBe(2);
    },
    LONG,
  );

  it(
    'the path’s MTU, when the underlay carries less than was thought',
    async () => {
      await startBoth();
      lab.a.run('ip', 'route', 'add', `${lab.b.underlay}/32`, 'dev', 'eth0', 'mtu', '1400');
      try {
        const { podAddress, podAddress6 } = lab.b;
        expect(lab.a.runInPod('ping', '-c1', '-W5', '-Mdo', '-s1440', podAddress)).toMatch(
          /From 10\.5\.2\.0 .*mtu = 1372/,
        );
        expect(lab.a.runInPod('ping', '-c1', '-W5', '-Mdo', '-s1420', podAddress6)).toMatch(
          /From fd00:5:2:: .*mtu[ =]*1372/,
        );
        // What may be fragmented travels in outer fragments.
        expect(lab.a.runInPod('ping', '-c1', '-W5', '-Mdont', '-s1440', lab.b.podAddress)).toMatch(/ 0% packet loss/);
        expect(await lab.a.send(podAddress, 1_000_000)).toBe(true);
        expect(await lab.a.send(podAddress6, 300_000)).toBe(true);
      } finally {
        lab.a.run('ip', 'route', 'del', `${lab.b.underlay}/32`);
        for (const site of [lab.a, lab.b]) {
          site.runInPod('ip', 'route', 'flush', 'cache');
          site.runInPod('ip', '-6', 'route', 'flush', 'cache');
        }
      }
    },
    LONG,
  );
});

describe('a bad underlay', () => {
  it(
    'that loses datagrams: content arrives whole',
    async () => {
      await startBoth();
      const table =
        'table inet lossy { chain input { type filter hook input priority 0; udp dport 8285 numgen random mod 100 < 3 drop; }; }';
      for (const site of [lab.a, lab.b]) site.run('nft', table);
      try {
        expect(await lab.a.send(lab.b.podAddress, 1_000_000)).toBe(true);
        expect(await lab.b.send(lab.a.podAddress6, 300_000)).toBe(true);
      } finally {
        for (const site of [lab.a, lab.b]) site.run('nft', 'delete', 'table', 'inet', 'lossy');
      }
    },
    LONG,
  );
});

describe('who may send', () => {
  /** One UDP datagram with `hex` in it, from host b. */
  function datagram(hex: string, sourcePort: number): void {
    const source = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(('${lab.b.underlay}', ${sourcePort}))
s.sendto(bytes.fromhex('${hex}'), ('${lab.a.underlay}', 8285))`;
    lab.b.run('python3', '-c', source);
  }

  it(
    'only peers, only from their lease, only whole packets',
    async () => {
      await lab.a.start();
      const fromOurs = ipv4({});
      const fromPeer = fromOurs.replace('0a050102', '0a050202').replace(/0a050202(.*)0a050202/, '0a050202$10a050102');
      datagram(fromPeer, 4444);
      datagram(fromOurs, 8285);
      datagram(fromPeer.slice(0, -2), 8285);
      datagram(`${fromPeer}00`, 8285);
      datagram('00', 8285);
      datagram('', 8285);
      await eventually('all datagrams are counted', async () => (await statsOf(lab.a)).drops['malformed'] === 2);
      const { drops, rxPackets } = await statsOf(lab.a);
      expect(drops).toMatchObject({ 'unknown-peer': 1, 'spoofed-source': 1, truncated: 1, malformed: 2 });
      expect(rxPackets).toBe(0);
    },
    LONG,
  );

  it(
    'with keep-alives also a peer behind a translator, where it really is',
    async () => {
      await lab.a.start({ keepaliveSeconds: 1 });
      await lab.b.start({ listen: { ipv4: lab.b.underlay, port: 9999 }, keepaliveSeconds: 1 });
      expect(lab.b.runInPod('ping', '-c2', '-i0.2', '-W5', lab.a.podAddress)).toMatch(/ 0% packet loss/);
      expect(lab.a.runInPod('ping', '-c1', '-W5', lab.b.podAddress)).toMatch(/ 0% packet loss/);
    },
    LONG,
  );

  it(
    'with keep-alives nobody is moved to where another peer was heard',
    async () => {
      await lab.a.start({ keepaliveSeconds: 100 });
      const others = { prefix: '10.5.3.0/24', endpoint: '192.168.7.3' };
      await lab.a.host.ask({ command: 'routes', routes: [...lab.a.routes, others] });
      const from = (source: string): string => ipv4({}).replace('0a0501020a050202', `${source}0a050102`);
      const received = (count: number): Promise<void> =>
        eventually(`${count} packets are let in`, async () => (await statsOf(lab.a)).rxPackets === count);
      datagram(from('0a050202'), 4444);
      await received(1);
      datagram(from('0a050302'), 4444);
      await eventually('the other peer is kept out', async () => (await statsOf(lab.a)).drops['spoofed-source'] === 1);
      datagram(from('0a050202'), 4444);
      await received(2);
      datagram(from('0a050302'), 5555);
      await received(3);
    },
    LONG,
  );

  it(
    'without keep-alives nobody roams',
    async () => {
      await lab.a.start();
      await lab.b.start({ listen: { ipv4: lab.b.underlay, port: 9999 } });
      expect(lab.b.runInPod('ping', '-c1', '-W1', lab.a.podAddress)).toMatch(/ 100% packet loss/);
      expect((await statsOf(lab.a)).drops['unknown-peer']).toBeGreaterThan(0);
    },
    LONG,
  );
});

describe('life', () => {
  it(
    'leaves the TUN with its addresses and routes behind, and adopts it',
    async () => {
      await startBoth();
      await lab.a.host.ask({ command: 'stop' });
      expect(lab.a.run('ip', 'route', 'show', 'dev', 'flannel0')).toContain('10.5.2.0/24');
      const index = lab.a.run('ip', '-o', 'link', 'show', 'flannel0').split(':')[0];
      await lab.a.host.ask({ command: 'start', options: lab.a.options, routes: lab.a.routes });
      expect(lab.a.run('ip', '-o', 'link', 'show', 'flannel0').split(':')[0]).toBe(index);
      expect(await lab.a.send(lab.b.podAddress, 100_000)).toBe(true);
    },
    LONG,
  );

  it(
    'goes on after SIGKILL as soon as the next one starts',
    async () => {
      await startBoth();
      await lab.a.host.kill('SIGKILL');
      await lab.a.startHost();
      await lab.a.host.ask({ command: 'start', options: lab.a.options, routes: lab.a.routes });
      expect(await lab.b.send(lab.a.podAddress, 100_000)).toBe(true);
    },
    LONG,
  );

  it(
    'comes before ordinary threads where it may',
    async () => {
      await lab.a.start();
      const ordinary = getPriority(lab.a.host.pid);
      const mayRaise = Number(lab.a.run('nice', '-n', '-1', 'nice')) < ordinary;
      const wanted = mayRaise ? Math.min(ordinary, -10) : ordinary;
      await eventually(`the loop's thread is at nice ${wanted}`, () =>
        Promise.resolve(getPriority(threadOf(lab.a.host.pid, 'tartan-udp-0')) === wanted),
      );
      expect(getPriority(lab.a.host.pid)).toBe(ordinary);
    },
    LONG,
  );

  it(
    'stops with packets in flight',
    async () => {
      await startBoth();
      const sending = lab.a.send(lab.b.podAddress, 20_000_000);
      await eventually('packets flow', async () => (await statsOf(lab.b)).rxPackets > 50);
      await lab.b.host.ask({ command: 'stop' });
      await lab.b.host.ask({ command: 'start', options: lab.b.options, routes: lab.b.routes });
      expect(await sending).toBe(true);
    },
    LONG,
  );

  it(
    'makes its TUN again when somebody deletes it',
    async () => {
      await startBoth();
      lab.a.run('ip', 'link', 'del', 'flannel0');
      await eventually('the TUN is back', () =>
        Promise.resolve(lab.a.run('ip', '-o', 'link', 'show').includes('flannel0')),
      );
      lab.a.equipTun();
      expect(await lab.a.send(lab.b.podAddress, 100_000)).toBe(true);
    },
    LONG,
  );

  it(
    'starts and stops two hundred times without leaving a thread or a descriptor',
    async () => {
      const left = await lab.a.host.ask({ command: 'cycle', options: lab.a.options, routes: lab.a.routes, times: 200 });
      expect(left).toEqual({ threads: 0, descriptors: 0 });
    },
    LONG,
  );

  it(
    'ends with the object, the worker thread or the process that it belongs to',
    async () => {
      const { options } = lab.a;
      expect(await lab.a.host.ask({ command: 'forget', options })).toBe(true);
      expect(await lab.a.host.ask({ command: 'terminate', options })).toBe(true);
      await lab.a.start();
      lab.a.host.end();
      await expect(lab.a.host.line()).rejects.toThrow('has ended');
      await lab.a.startHost();
    },
    LONG,
  );

  it(
    'says what is wrong when it cannot start, and leaves nothing behind',
    async () => {
      await lab.a.start();
      const site = lab.a;
      const second = site.spawn(process.execPath, join(__dirname, '..', 'support', 'native', 'loop-host.mjs'));
      programs.push(second);
      await second.line();
      const start = (options: object): Promise<unknown> => second.ask({ command: 'start', options, routes: [] });
      await expect(start(site.options)).rejects.toMatchObject({ code: 'PACKET_LOOP_PORT_IN_USE' });
      await expect(start({ listen: { ipv4: '192.168.7.99' } })).rejects.toMatchObject({
        code: 'PACKET_LOOP_CANNOT_LISTEN',
      });
      site.run('ip', 'tuntap', 'add', 'other0', 'mode', 'tun');
      const other = { tunName: 'other0', listen: { ipv4: site.underlay, port: 8286 } };
      await expect(start(other)).rejects.toMatchObject({ code: 'PACKET_LOOP_TUN_TAKEN' });
      site.run('ip', 'tuntap', 'del', 'other0', 'mode', 'tun');
      expect(await start(other)).toHaveLength(SWITCHES.length);
    },
    LONG,
  );
});

import { Lab, eventually, type Host } from '@tartan/lab';
import { PREFIX, converged, podOf } from './support/cluster';
import { UDP } from './support/udp';
import { transfer } from './support/vxlan';

/*
 *   open, other ── 192.168.50.0/24 ── nat ── 192.168.60.0/24 ── hidden
 *
 * The translator gives hidden's datagrams its own address and a port of a range. hidden's lease says 192.168.60.1, which nobody outside
 * has a way to, so that all that reaches it was sent to where its own datagrams came from.
 */

const PORTS = { before: '20000-20999', after: '30000-30999' };
/** The translator forgets a flow after so long; keep-alives come every second. */
const MAPPING_SECONDS = 3;

let lab: Lab;
let open: Host;
let other: Host;
let nat: Host;
let hidden: Host;

beforeAll(async () => {
  lab = await Lab.create();
  const etcd = await lab.startEtcd();
  await etcd.put(`${PREFIX}/config`, JSON.stringify({ ...UDP, Backend: { Type: 'udp', Keepalive: 1 } }));
  [open, other] = (await lab.addHosts(2)) as [Host, Host];
  await addTranslator();
  const hosts = [open, other, hidden];
  const daemons = await Promise.all(hosts.map((host) => host.startDaemon()));
  await Promise.all(daemons.map((daemon) => daemon.waitUntilReady({ timeoutMs: 60_000 })));
  await Promise.all(hosts.map((host) => host.addPod()));
  await converged(hosts);
}, 120_000);
afterAll(() => lab.destroy());

async function addTranslator(): Promise<void> {
  const inner = await lab.addSwitch({ name: 'inner' });
  nat = await lab.addHost({ name: 'nat', defaultRoute: false });
  await nat.addInterface({ ifname: 'eth1', switch: inner, ipv4: '192.168.60.254/24', defaultRoute: false });
  hidden = await lab.addHost({ name: 'hidden', switch: inner, ipv4: '192.168.60.1/24', defaultRoute: false });
  await hidden.ip('route add default via 192.168.60.254');
  await translate(PORTS.before);
  await nat.sysctl({
    'net.ipv4.ip_forward': 1,
    'net.netfilter.nf_conntrack_udp_timeout': MAPPING_SECONDS,
    'net.netfilter.nf_conntrack_udp_timeout_stream': MAPPING_SECONDS,
  });
}

/** Whoever comes from inside gets a port of the range, another one each time; nobody gets in who was not asked. */
async function translate(ports: string): Promise<void> {
  await nat.nft(`
    table ip nat
    delete table ip nat
    table ip nat {
      chain out {
        type nat hook postrouting priority srcnat
        oifname "eth0" ip protocol udp masquerade to :${ports} random
        oifname "eth0" masquerade
      }
      chain through {
        type filter hook forward priority filter
        iifname "eth0" ct state new drop
      }
    }`);
}

function reach(from: Host, to: Host): Promise<unknown> {
  return eventually(() => podOf(from).reaches(podOf(to).ipv4), { what: `${from.name} reaches ${to.name}` });
}

/** Address and port from which hidden's packets come to `open`, as a capture on it shows while its pod speaks. */
async function whereHiddenIs(): Promise<string> {
  const capture = await open.capture({ ifname: 'eth0', filter: `udp dst port 8285 and src host ${nat.ipv4}` });
  await reach(hidden, open);
  await capture.atLeast(1, { filter: 'greater 50' });
  await capture.stop();
  const [line = ''] = await capture.lines('greater 50');
  return /IP (\S+) > /.exec(line)?.[1] ?? line;
}

const portOf = (where: string): number => Number(where.split('.')[4]);

async function dropsOf(host: Host, cause: string): Promise<number> {
  const { body } = await (host.daemons[0] as NonNullable<(typeof host.daemons)[0]>).health('/metrics');
  return Number(new RegExp(`tartan_data_path_drops_total\\{cause="${cause}"\\} (\\d+)`).exec(body)?.[1] ?? 0);
}

test('a node behind a translator is reached where its packets come from, in both directions and bit by bit', async () => {
  expect(await podOf(open).reaches(podOf(hidden).ipv4)).toBe(false);
  const where = await whereHiddenIs();
  expect(where).toMatch(new RegExp(`^${nat.ipv4}\\.20\\d\\d\\d$`));
  await reach(open, hidden);
  for (const [from, to] of [
    [open, hidden],
    [hidden, open],
  ] as const) {
    const [sent, received] = await transfer(podOf(from), podOf(to), podOf(to).ipv4, 4);
    expect(received).toBe(sent);
  }
});

test('keep-alives hold the way open while nobody speaks', async () => {
  const where = await whereHiddenIs();
  // Nothing but empty datagrams for longer than the translator remembers.
  const capture = await nat.capture({ ifname: 'eth0', filter: `udp src port ${portOf(where)}` });
  await capture.atLeast(MAPPING_SECONDS + 3, { filter: 'udp[4:2] = 8', timeoutMs: 30_000 });
  await reach(open, hidden);
  await capture.stop();
  expect(await whereHiddenIs()).toBe(where);
});

/** Sends one inner packet from the address and port of `other`'s own lease. */
const FORGE = `
import socket, struct, sys
source, target, inner_source, inner_target = sys.argv[1:]
inner = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28, 0, 0, 64, 17, 0, socket.inet_aton(inner_source), socket.inet_aton(inner_target))
total = sum(struct.unpack('!10H', inner))
total = (total & 0xffff) + (total >> 16)
inner = inner[:10] + struct.pack('!H', 0xffff ^ ((total & 0xffff) + (total >> 16))) + inner[12:]
inner += struct.pack('!HHHH', 1, 1, 8, 0)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.bind((source, 0))
raw.sendto(struct.pack('!HHHH', 8285, 8285, 8 + len(inner), 0) + inner, (target, 0))
`;

test("a peer that sends with another one's inner address moves nobody, and is counted", async () => {
  const where = await whereHiddenIs();
  const before = await dropsOf(open, 'spoofed-source');
  const forged = [podOf(hidden).ipv4, podOf(open).ipv4];
  await other.run(['python3', '-c', FORGE, other.ipv4, open.ipv4, ...forged]);
  await eventually(async () => (await dropsOf(open, 'spoofed-source')) > before, { what: 'the packet is counted' });
  const capture = await open.capture({
    ifname: 'eth0',
    filter: `src host ${open.ipv4} and udp src port 8285 and udp[4:2] > 8`,
  });
  await reach(open, hidden);
  await capture.atLeast(1);
  await capture.stop();
  const targets = (await capture.lines()).map((line) => / > (\S+):/.exec(line)?.[1]);
  expect(new Set(targets)).toEqual(new Set([where]));
});

test('when the translator gives it another port, it is found there as soon as it speaks', async () => {
  expect(portOf(await whereHiddenIs())).toBeLessThan(21_000);
  await translate(PORTS.after);
  // Masquerading forgets the flows of a link that goes down (nf_nat_masquerade.c, masq_device_event, Linux 6.12).
  await nat.ip('link set eth0 down');
  await nat.ip('link set eth0 up');
  expect(portOf(await whereHiddenIs())).toBeGreaterThanOrEqual(30_000);
  await reach(open, hidden);
});

import type { EtcdCluster, Host, LabProcess } from '@tartan/lab';
import { PREFIX } from './cluster';

/*
 * A node of another implementation: what flanneld does with its udp backend (flannel-compat 4.4), in a few lines of Python and writes to
 * etcd. One packet per system call, no offloads, TTL taken off on both sides, no check of who sends. It shares not a line with ours,
 * so agreement between both is agreement with the format.
 */
const PROGRAM = `
import fcntl, ipaddress, os, select, socket, struct, sys
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
local, port = sys.argv[1], int(sys.argv[2])
routes = [(ipaddress.ip_network(a), b) for a, b in (r.split('=') for r in sys.argv[3:])]
tun = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack('16sH', b'flannel%d', IFF_TUN | IFF_NO_PI))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((local, port))
def hop(packet):
    ttl = packet[8] - 1
    if ttl <= 0: return None
    total = ((packet[10] << 8) + packet[11]) + 0x100
    total = (total & 0xffff) + (total >> 16)
    return packet[:8] + bytes([ttl, packet[9]]) + struct.pack('!H', total) + packet[12:]
print('ready', flush=True)
while True:
    readable, _, _ = select.select([tun, sock], [], [])
    if tun in readable:
        packet = os.read(tun, 65536)
        if len(packet) >= 20 and packet[0] >> 4 == 4:
            to = ipaddress.ip_address(packet[16:20])
            via = next((gateway for network, gateway in routes if to in network), None)
            out = hop(packet)
            if via and out: sock.sendto(out, (via, port))
    if sock in readable:
        packet, _ = sock.recvfrom(65536)
        out = hop(packet) if len(packet) >= 20 else None
        if out:
            try: os.write(tun, out)
            except OSError: pass
`;

export interface OtherUdpNodeOptions {
  readonly host: Host;
  readonly etcd: EtcdCluster;
  /** Third number of its subnet, 10.5.N.0/24. */
  readonly n: number;
  readonly port?: number;
  /** Of its TUN; default 1472. */
  readonly mtuBytes?: number;
}

export class OtherUdpNode {
  private process: LabProcess | undefined;

  constructor(private readonly options: OtherUdpNodeOptions) {}

  get subnet(): string {
    return `10.5.${this.options.n}.0`;
  }

  get key(): string {
    return `${PREFIX}/subnets/${this.subnet}-24`;
  }

  /** Lease, loop, address, MTU, up, route to the whole overlay: in this order, as flanneld does. It learns its peers here and only here. */
  async start(): Promise<void> {
    const { host, port = 8285, mtuBytes = 1472 } = this.options;
    await this.publish();
    const routes = (await this.peers()).map(({ subnet, publicIP }) => `${subnet}=${publicIP}`);
    this.process = await host.start({
      name: 'other-udp',
      argv: ['python3', '-c', PROGRAM, host.ipv4, String(port), ...routes],
      stdout: 'lines',
    });
    await this.process.waitForLine(/^ready$/);
    await host.ip(`address add ${this.subnet}/32 dev flannel0`);
    await host.ip(`link set flannel0 mtu ${mtuBytes} up`);
    await host.ip('route add 10.5.0.0/16 dev flannel0');
  }

  /** The value that flanneld writes: no type, no data (flannel-compat 2.3). */
  async publish(): Promise<void> {
    const { etcd, host } = this.options;
    await etcd.put(this.key, JSON.stringify({ PublicIP: host.ipv4, PublicIPv6: null }));
  }

  async stop(): Promise<void> {
    await this.process?.kill();
  }

  private async peers(): Promise<{ subnet: string; publicIP: string }[]> {
    const dump = await this.options.etcd.etcdctl(['get', '--prefix', `${PREFIX}/subnets/`]);
    const lines = dump.split('\n').filter((line) => line !== '');
    const pairs = lines.flatMap((key, index) => (index % 2 === 0 ? [[key, lines[index + 1] as string] as const] : []));
    return pairs
      .filter(([key]) => key !== this.key)
      .map(([key, value]) => {
        const [, address = '', length = ''] = /subnets\/([\d.]+)-(\d+)/.exec(key) ?? [];
        return { subnet: `${address}/${length}`, publicIP: (JSON.parse(value) as { PublicIP: string }).PublicIP };
      });
  }
}

// The cables between the hosts, in two modes:
//
//   veth   as the kernel makes them: a super-packet of up to 64 KiB crosses in one piece, which no physical cable can do
//   wire   every packet on the cable is real: TSO, GSO, UDP and tunnel segmentation are off at both ends, so the sending host cuts
//          super-packets up before the cable, and GRO at the receiving host may put them together again, as with a network card
//
// Whether "wire" does what it says is proven by a capture in the middle of each measurement series, see `provenFrames`.
import { eventually } from '@tartan/lab';

const SEGMENTATION = [
  'tx-tcp-segmentation',
  'tx-tcp-ecn-segmentation',
  'tx-tcp-mangleid-segmentation',
  'tx-tcp6-segmentation',
  'tx-udp-segmentation',
  'tx-udp_tnl-segmentation',
  'tx-udp_tnl-csum-segmentation',
  'tx-gre-segmentation',
  'tx-gre-csum-segmentation',
  'tx-ipxip4-segmentation',
  'tx-ipxip6-segmentation',
  'tx-sctp-segmentation',
  'tx-generic-segmentation',
];
const RECEIVE = ['rx-gro'];
const CHECKSUM = ['tx-checksum-ip-generic', 'rx-checksum'];
export const MODES = ['veth', 'wire'];

const ETHERNET_HEADER = 14;
const PROVEN_PACKETS = 4000;

function flags(names, on) {
  return names.flatMap((name) => [name, on ? 'on' : 'off']);
}

/** Sets both cables of a lab. */
export async function setMode(lab, mode) {
  const segmentation = flags(SEGMENTATION, mode === 'veth');
  await Promise.all(
    lab.hosts.flatMap((host) => {
      const { ifname, port, switch: segment } = host.uplink;
      return [
        host.run(['ethtool', '-K', ifname, ...segmentation, ...flags(RECEIVE, mode === 'wire')]),
        segment.run(['ethtool', '-K', port, ...segmentation]),
      ];
    }),
  );
}

/** What the kernel says is on at the first host's uplink, among what matters here. */
export async function offloadState(lab) {
  const [host] = lab.hosts;
  const { stdout } = await host.run(['ethtool', '-k', host.uplink.ifname]);
  const features = new Map([...stdout.matchAll(/^\s*([\w-]+): (on|off)/gm)].map(([, name, state]) => [name, state]));
  // ethtool prints the older features by their older names.
  const older = {
    'tx-generic-segmentation': 'generic-segmentation-offload',
    'rx-gro': 'generic-receive-offload',
    'rx-checksum': 'rx-checksumming',
  };
  const names = [...SEGMENTATION, ...RECEIVE, ...CHECKSUM];
  return Object.fromEntries(names.map((name) => [name, features.get(older[name] ?? name) ?? 'absent']));
}

/** Runs `traffic` and gives the largest and the mean IP packet seen on the switch while it ran. */
export async function provenFrames(lab, traffic) {
  const [segment] = lab.switches;
  const { port } = lab.hosts[0].uplink;
  const capture = await segment.capture({ ifname: port, maxPackets: PROVEN_PACKETS, snapBytes: 64 });
  await traffic();
  await capture.stop();
  const { stdout } = await segment.run(['tcpdump', '-r', capture.file, '-n', '-t', '-e', '-q']);
  const lengths = [...stdout.matchAll(/, length (\d+):/g)].map(([, length]) => Number(length) - ETHERNET_HEADER);
  if (lengths.length === 0) throw new Error('the capture on the switch saw nothing');
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  return { packets: lengths.length, largestBytes: Math.max(...lengths), meanBytes: Math.round(mean) };
}

/** Resolves once packets go through. */
export function whenReachable(from, to) {
  return eventually(() => from.reaches(to.ipv4), { timeoutMs: 20_000, what: `${from.name} reaches ${to.name}` });
}

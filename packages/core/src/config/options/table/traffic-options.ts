import { parseIpPrefix } from '../../../ip';
import { choiceOption, integerOption, listOption, switchOption } from '../option-kinds';

export const trafficOptions = {
  'traffic-manager': choiceOption({
    section: 'Traffic rules',
    choices: ['auto', 'nftables', 'iptables', 'none'],
    default: 'auto',
    help: 'How masquerade and forward rules are programmed. auto takes nftables where nft 1.0.1 or later works, else iptables; none removes rules of ours and writes no others.',
  }),
  'ip-masq': switchOption({
    section: 'Traffic rules',
    origin: 'flannel',
    default: false,
    help: 'Masquerade traffic that leaves the overlay. Also told in the subnet file.',
  }),
  'ip-masq-fully-random-disable': switchOption({
    section: 'Traffic rules',
    origin: 'flannel',
    default: false,
    help: 'Masquerade without randomised source ports.',
  }),
  'non-masquerade-cidrs': listOption({
    section: 'Traffic rules',
    placeholder: 'CIDR,...',
    separator: ',',
    expected: 'IPv4 or IPv6 prefixes such as 10.0.0.0/8, separated by commas',
    help: 'Networks outside of the overlay to which pods keep their own addresses, separated by commas or repeated. They need a way back to the pods.',
    valid: isPrefix,
  }),
  'masq-node-traffic': switchOption({
    section: 'Traffic rules',
    default: true,
    help: 'Masquerade traffic from pods to the nodes of the cluster. With =false nodes see the addresses of pods; strict rp_filter on the nodes would then drop it.',
  }),
  'iptables-forward-rules': switchOption({
    section: 'Traffic rules',
    origin: 'flannel',
    default: true,
    help: 'Accept forwarded traffic of the overlay, through iptables or nftables.',
  }),
  'iptables-resync': integerOption({
    section: 'Traffic rules',
    origin: 'flannel',
    default: 5,
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    unit: 'seconds',
    help: 'Seconds between two checks of iptables rules. Changes in nftables are noticed within a second, whatever it is.',
  }),
  'ip-blackhole-route': switchOption({
    section: 'Traffic rules',
    origin: 'flannel',
    default: false,
    help: 'Add a blackhole route for the own subnet, so that traffic to absent pods does not loop.',
    note: 'It is there at once, with a metric that leaves a route of the bridge its precedence.',
  }),
  'manage-sysctls': switchOption({
    section: 'Traffic rules',
    default: false,
    help: 'Set kernel settings without which pod traffic does not get through: forwarding, bridge-nf-call and rp_filter. Without it they are only reported.',
  }),
};

export const cleanupOptions = {
  cleanup: switchOption({
    section: 'General',
    env: false,
    default: false,
    help: 'Remove everything that this daemon made on this host (rules, routes, devices, files), and exit. Stop the daemon first. What belongs to other networks stays. Asks no datastore.',
  }),
  'dry-run': switchOption({
    section: 'General',
    env: false,
    default: false,
    help: 'With --cleanup: only list what would be removed.',
  }),
};

function isPrefix(text: string): boolean {
  try {
    parseIpPrefix(text);
    return true;
  } catch {
    return false;
  }
}

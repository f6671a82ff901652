import { compileInterfaceRegex } from '../../../iface/interface-regex';
import { Ipv4Address, Ipv6Address, parseIpAddress, type IpAddress } from '../../../ip';
import type { OptionFacts } from '../option';
import { choiceOption, durationOption, integerOption, listOption, parsedOption, textOption } from '../option-kinds';

const HOUR_MS = 3_600_000;

export const leaseOptions = {
  'subnet-lease-ttl': durationOption({
    section: 'Lease',
    defaultMs: 24 * HOUR_MS,
    minMs: 1_000,
    maxMs: 365 * 24 * HOUR_MS,
    help: 'Time to live of this node’s lease. A bare number means seconds. It is renewed after a third of it.',
    note: 'flanneld always uses 24h; leave it in a mixed cluster.',
  }),
  'subnet-lease-renew-margin': integerOption({
    section: 'Lease',
    origin: 'flannel',
    default: 60,
    min: 1,
    max: 1439,
    unit: 'minutes',
    help: 'How many minutes before its end flanneld renews the lease.',
    inert: { kind: 'never', note: 'Tartan renews after a third of the time to live, which leaves time for retries.' },
  }),
  'on-lease-loss': choiceOption({
    section: 'Lease',
    choices: ['keep', 'reacquire', 'exit'],
    default: 'keep',
    help: 'When a stranger took this node’s subnet while etcd or the node was away: keep forwarding, stay unready and try to get it back; reacquire another subnet; or exit with an error. A subnet that an administrator or the cluster assigns instead is always adopted.',
  }),
};

export const interfaceOptions = {
  iface: listOption({
    section: 'External interface',
    origin: 'flannel',
    placeholder: 'NAME_OR_IP',
    expected: 'the name or an address of an interface',
    help: 'Interface for the traffic between hosts, by name or address. Repeatable: the first one that fits is used. Without any choice the one with the default route.',
  }),
  'iface-regex': listOption({
    section: 'External interface',
    origin: 'flannel',
    placeholder: 'REGEX',
    expected: 'a JavaScript regular expression',
    help: 'Regular expression, as JavaScript has them, for the address or the name of the interface; it may match any part. Repeatable, tried after all --iface.',
    valid: (text) => attempt(() => compileInterfaceRegex(text)) !== undefined,
  }),
  'iface-can-reach': parsedOption<readonly IpAddress[]>({
    section: 'External interface',
    origin: 'flannel',
    placeholder: 'IP[,IP]',
    default: [],
    expected: 'an IPv4 or IPv6 address, or one of each family with a comma between',
    help: 'Use the interface by which the kernel reaches this address. One of each family, with a comma between, for dual stack. Tried last.',
    parse: (text) => attempt(() => onePerFamily(text.split(',').map((part) => parseIpAddress(part.trim())))),
    format: (addresses) => addresses.join(','),
  }),
  'public-ip': parsedOption<Ipv4Address | null>({
    ...publicAddress('IPv4'),
    parse: (text) => attempt(() => usable(Ipv4Address.parse(text))),
  }),
  'public-ipv6': parsedOption<Ipv6Address | null>({
    ...publicAddress('IPv6'),
    parse: (text) => attempt(() => usable(Ipv6Address.parse(text))),
  }),
};

export const fileOptions = {
  'subnet-file': textOption({
    section: 'Files',
    origin: 'flannel',
    placeholder: 'FILE',
    default: '/run/flannel/subnet.env',
    nonEmpty: 'a path',
    help: 'File with subnet, MTU and masquerade setting for the container runtime.',
  }),
  'state-dir': textOption({
    section: 'Files',
    placeholder: 'DIR',
    default: '/var/lib/tartan',
    nonEmpty: 'a path',
    help: 'Directory for the last good lease, network config and peers, which a node starts from while the datastore is away, and for what a restarted backend goes on with at once.',
  }),
};

function publicAddress(
  family: 'IPv4' | 'IPv6',
): OptionFacts & { default: null; expected: string; format(address: IpAddress | null): string } {
  return {
    section: 'External interface',
    origin: 'flannel',
    placeholder: 'IP',
    default: null,
    expected: `a unicast ${family} address`,
    help: `${family} address at which other hosts reach this one. Without it the address of the interface.`,
    format: formatAddress,
  };
}

function usable<Address extends IpAddress>(address: Address): Address | undefined {
  return address.isUnspecified || address.isLoopback || address.isMulticast ? undefined : address;
}

function onePerFamily(addresses: IpAddress[]): IpAddress[] | undefined {
  return new Set(addresses.map(({ family }) => family)).size === addresses.length ? addresses : undefined;
}

function formatAddress(address: IpAddress | null): string {
  return address?.toString() ?? '';
}

function attempt<T>(parse: () => T | undefined): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

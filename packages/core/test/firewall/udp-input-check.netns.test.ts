import { spawnSync } from 'node:child_process';
import { createCommandRunner, parseIpAddress, type Finding, type FirewallAccess, type UdpPacket } from '@tartan/core';
import { createUdpInputCheck } from '@tartan/core';
import { createNamespace, type TestNamespace } from '../../../netlink/test/support/namespaces';

/*
 * What the check says of a rule set, and what the kernel does with a real packet under the same rules: the finding stands exactly
 * where the packet is lost, and its cure lets the packet in.
 */

const PORT = 8472;
const PEER = { 4: '192.0.2.2', 6: 'fd00::2' } as const;
const LOCAL = { 4: '192.0.2.1', 6: 'fd00::1' } as const;

let host: TestNamespace;
let peer: TestNamespace;

beforeAll(async () => {
  [host, peer] = await Promise.all([createNamespace(), createNamespace()]);
  host.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(peer.pid));
  for (const [space, own] of [
    [host, LOCAL],
    [peer, PEER],
  ] as const) {
    space.run('ip', 'link', 'set', 'lo', 'up');
    space.run('ip', 'link', 'set', 'eth0', 'up');
    space.run('ip', 'address', 'add', `${own[4]}/24`, 'dev', 'eth0');
    space.run('ip', 'address', 'add', `${own[6]}/64`, 'dev', 'eth0', 'nodad');
  }
  // Asking for neighbours is not what is tested here.
  for (const [space, neighbour, addresses] of [
    [peer, host, LOCAL],
    [host, peer, PEER],
  ] as const) {
    const [, mac = ''] = /link\/ether (\S+)/.exec(neighbour.run('ip', 'link', 'show', 'eth0')) ?? [];
    for (const address of [addresses[4], addresses[6]]) {
      space.run('ip', 'neigh', 'replace', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent');
    }
  }
});
afterEach(() => {
  script('nft flush ruleset; for i in iptables-legacy ip6tables-legacy; do $i -P INPUT ACCEPT; $i -F; $i -X; done');
});
afterAll(async () => {
  await Promise.all([host.close(), peer.close()]);
});

function script(text: string): void {
  host.run('sh', '-ec', text);
}

function access(change: Partial<FirewallAccess> = {}): FirewallAccess {
  return {
    runner: createCommandRunner({ prefix: ['nsenter', '-t', String(host.pid), '-n', '-m'] }),
    readText: (path) => Promise.resolve(host.run('cat', path)).catch(() => undefined),
    ...change,
  };
}

function packet(family: 4 | 6): UdpPacket {
  const [local, source] = [LOCAL[family], PEER[family]].map(parseIpAddress);
  return { family, port: PORT, ifname: 'eth0', local: local!, peers: [source!] };
}

function found(families: readonly (4 | 6)[] = [4], change?: Partial<FirewallAccess>): Promise<Finding[]> {
  return createUdpInputCheck(access(change)).inspect(families.map(packet));
}

const SEND = `use Socket qw(:all); my ($to, $port) = @ARGV; my $v6 = $to =~ /:/;
socket(my $s, $v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0) or die;
my $at = $v6 ? pack_sockaddr_in6($port, inet_pton(AF_INET6, $to)) : pack_sockaddr_in($port, inet_aton($to));
defined send($s, 'x', 0, $at) or die "send: $!";`;

/** How many UDP packets the host has got for a port that nobody listens on. */
function received(family: 4 | 6): number {
  const text = host.run('nstat', '-asz');
  const name = family === 4 ? 'UdpNoPorts' : 'Udp6NoPorts';
  return Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(text)?.[1]);
}

/**
 * Whether a packet from the peer gets past the filter. Over a veth pair it is delivered by the time that its sender has ended, on the
 * processor that sent it, so the counter decides.
 */
function arrives(family: 4 | 6): boolean {
  const before = received(family);
  const { status, stderr } = spawnSync(
    'nsenter', ['-t', String(peer.pid), '-n', 'perl', '-e', SEND, LOCAL[family], String(PORT)], { encoding: 'utf8' },
  ); // prettier-ignore
  if (status !== 0) throw new Error(stderr);
  return received(family) > before;
}

function input(rules: string, policy = 'drop', more = ''): string {
  return `nft -f - <<'END'
table inet filter {
${more}
chain input { type filter hook input priority 0; policy ${policy};
${rules}
}
}
END`;
}

const FIREWALLD = `nft -f - <<'END'
table inet firewalld {
  chain filter_IN_public_allow { tcp dport 22 accept; }
  chain filter_IN_public { jump filter_IN_public_allow; meta l4proto { icmp, ipv6-icmp } accept; }
  chain filter_INPUT_ZONES { iifname "lan0" goto filter_IN_public_allow; goto filter_IN_public; }
  chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_INPUT_ZONES
    reject with icmpx type admin-prohibited
  }
}
END`;

/** As ufw has them, shortened. */
const UFW = [
  ...['before-input', 'user-input', 'not-local', 'skip-to-policy-input'].map((name) => `-N ufw-${name}`),
  '-P INPUT DROP',
  '-A INPUT -j ufw-before-input',
  '-A ufw-before-input -i lo -j ACCEPT',
  '-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  '-A ufw-before-input -m conntrack --ctstate INVALID -j DROP',
  '-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT',
  '-A ufw-before-input -j ufw-not-local',
  '-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN',
  '-A ufw-not-local -m limit --limit 3/min -j LOG',
  '-A ufw-not-local -j DROP',
  '-A ufw-before-input -j ufw-user-input',
  '-A ufw-user-input -p tcp --dport 22 -j ACCEPT',
];

function iptables(program: string, rules: readonly string[]): string {
  return rules.map((rule) => `${program} ${rule}`).join('\n');
}

const lets: readonly (readonly [string, string])[] = [
  ['no rules', ':'],
  ['an accept for the port', input('udp dport 8472 accept')],
  ['a range of ports', input('udp dport 8000-9000 accept')],
  ['a named set of ports', input('udp dport @open accept', 'drop', 'set open { type inet_service; flags interval; elements = { 53, 8400-8500 }; }')],
  ['a verdict map', input('meta l4proto vmap { tcp : drop, udp : accept }')],
  ['an accept for the interface', input('iifname "eth*" accept')],
  ['the peers\' network', input('ip saddr 192.0.2.0/24 accept')],
  ['a chain in between', input('ct state vmap { established : accept, invalid : drop }\njump services', 'drop', 'chain services { udp dport { 53, 8472 } accept; }')],
  ['a ban of strangers', input('ip saddr { 203.0.113.7, 198.51.100.0/24 } drop', 'accept')],
  ['a drop for another port', input('udp dport != 8472 drop', 'accept')],
  ['iptables with the port', iptables('iptables-nft', ['-P INPUT DROP', '-A INPUT -p udp -m multiport --dports 53,8470:8480 -j ACCEPT'])],
  ['iptables-legacy with the port', iptables('iptables-legacy', ['-A INPUT -p udp --dport 8472 -j ACCEPT', '-A INPUT -j REJECT'])],
  ['ufw with the port', iptables('iptables-nft', [...UFW, '-A ufw-user-input -p udp --dport 8472 -j ACCEPT'])],
]; // prettier-ignore

const drops: readonly (readonly [string, string, string])[] = [
  ['a policy', input('ct state established,related accept\ntcp dport 22 accept\nicmp type echo-request accept'), 'nft insert rule inet filter input udp dport 8472 accept'],
  ['a last rule', input('iif lo accept\nudp dport { 53, 123 } accept\nlog prefix "no " reject', 'accept'), 'nft insert rule inet filter input udp dport 8472 accept'],
  ['an explicit drop', input('udp dport 8472 drop', 'accept'), 'nft insert rule inet filter input udp dport 8472 accept'],
  ['a chain behind goto', input('goto services\naccept', 'drop', 'chain services { tcp dport 80 accept; }'), 'nft insert rule inet filter input udp dport 8472 accept'],
  ['only other sources', input('ip saddr 198.51.100.0/24 accept'), 'nft insert rule inet filter input udp dport 8472 accept'],
  ['iptables', iptables('iptables-nft', ['-P INPUT DROP', '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT']), 'iptables-nft -I INPUT -p udp --dport 8472 -j ACCEPT'],
  ['iptables-legacy', iptables('iptables-legacy', ['-A INPUT -i lo -j ACCEPT', '-A INPUT -j DROP']), 'iptables-legacy -I INPUT -p udp --dport 8472 -j ACCEPT'],
]; // prettier-ignore

describe('a rule set that lets packets in is no finding:', () => {
  it.each(lets)('%s', async (_, rules) => {
    script(rules);
    expect(arrives(4)).toBe(true);
    expect(await found()).toEqual([]);
  });
});

describe('a rule set that drops packets is a finding with a cure that cures:', () => {
  it.each(drops)('%s', async (_, rules, cure) => {
    script(rules);
    expect(arrives(4)).toBe(false);
    expect(await found()).toEqual([expect.objectContaining({ code: 'UDP_PORT_FILTERED', cure })]);
    script(cure);
    expect(arrives(4)).toBe(true);
    expect(await found()).toEqual([]);
  });
});

describe('firewalls with words of their own', () => {
  it('firewalld', async () => {
    script(FIREWALLD);
    expect(arrives(4)).toBe(false);
    expect(await found()).toMatchObject([
      { cure: 'firewall-cmd --permanent --zone=public --add-port=8472/udp && firewall-cmd --reload' },
    ]);
    script('nft add rule inet firewalld filter_IN_public_allow udp dport 8472 accept');
    expect(arrives(4)).toBe(true);
    expect(await found()).toEqual([]);
  });

  it.each(['iptables-nft', 'iptables-legacy'])('ufw over %s', async (program) => {
    script(iptables(program, UFW));
    expect(arrives(4)).toBe(false);
    expect(await found()).toMatchObject([{ subject: 'UDP port 8472: ufw', cure: 'ufw allow 8472/udp' }]);
  });
});

describe('families', () => {
  it('are judged each by the rules that it passes', async () => {
    script(iptables('ip6tables-nft', ['-P INPUT DROP']));
    expect([arrives(4), arrives(6)]).toEqual([true, false]);
    expect(await found([4, 6])).toMatchObject([{ cure: 'ip6tables-nft -I INPUT -p udp --dport 8472 -j ACCEPT' }]);
  });

  it('share one finding where they share the rules', async () => {
    script(input('tcp dport 22 accept'));
    expect([arrives(4), arrives(6)]).toEqual([false, false]);
    expect(await found([4, 6])).toHaveLength(1);
  });
});

it('without nft, the rules of iptables are read all the same', async () => {
  script(iptables('iptables-nft', ['-P INPUT DROP']));
  const { runner } = access();
  const withoutNft: FirewallAccess['runner'] = {
    run: (request, signal) =>
      runner.run(request.program === 'nft' ? { ...request, program: 'nft-is-missing' } : request, signal),
  };
  expect(await found([4], { runner: withoutNft })).toMatchObject([{ code: 'UDP_PORT_FILTERED' }]);
});

it('looking leaves no tables behind', async () => {
  expect(await found([4, 6])).toEqual([]);
  expect(host.run('nft', 'list', 'ruleset').trim()).toBe('');
});

import { planXtChange } from '../../src/traffic/iptables/xt-change';
import { readXtListing } from '../../src/traffic/iptables/xt-listing';
import { NETWORK, prefixes, rulesFor } from './support';

const networks = prefixes(NETWORK);
const JUMP = '-m comment --comment "flanneld masq" -j FLANNEL-POSTRTG';
const FORWARD_JUMP = '-m comment --comment "flanneld forward" -j FLANNEL-FWD';
const MARK = '-m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN';
const masq = '-m comment --comment "flanneld masq" -j';
const OWN = [
  `-s 10.42.1.0/24 -d 10.42.0.0/16 ${masq} RETURN`,
  `-s 10.42.0.0/16 -d 10.42.1.0/24 ${masq} RETURN`,
  `! -s 10.42.0.0/16 -d 10.42.1.0/24 ${masq} RETURN`,
  `-s 10.42.0.0/16 ! -d 224.0.0.0/4 ${masq} MASQUERADE --random-fully`,
  `! -s 10.42.0.0/16 -d 10.42.0.0/16 ${masq} MASQUERADE --random-fully`,
];
const OTHER = `-s 10.43.0.0/16 ! -d 224.0.0.0/4 ${masq} MASQUERADE --random-fully`;
const FWD = ['-s', '-d'].map((flag) => `${flag} ${NETWORK} -m comment --comment "flanneld forward" -j ACCEPT`);
const ACCEPTS = `-N FLANNEL-FWD\n${FWD.map((spec) => `-A FLANNEL-FWD ${spec}`).join('\n')}`;

function nat(builtin: readonly string[], chain: readonly string[] | null): string {
  return [
    '-P POSTROUTING ACCEPT',
    ...builtin.map((spec) => `-A POSTROUTING ${spec}`),
    ...(chain ? ['-N FLANNEL-POSTRTG', ...chain.map((spec) => `-A FLANNEL-POSTRTG ${spec}`)] : []),
  ].join('\n');
}

function plan(listing: string, wanted = rulesFor()): { roles: readonly string[]; lines: string[] } {
  const state = readXtListing(listing, 4);
  const { roles, input } = planXtChange({ state, wanted, networks, capabilities: { fullyRandom: true } });
  return { roles, lines: input.split('\n').filter(Boolean) };
}

const nothing = { rules: { masquerade: [], forward: [] } };
const clear = (listing: string): string[] => plan(listing, { ...rulesFor(), ...nothing }).lines;

describe('a change of nat', () => {
  it('is none when all is right', () => {
    expect(plan(nat([JUMP], [MARK, ...OWN])).lines).toEqual([]);
    expect(plan(nat(['-j KUBE-POSTROUTING', JUMP, '-o eth9 -j MASQUERADE'], [MARK, ...OWN])).lines).toEqual([]);
  });

  it('makes the chain, fills it, and only then sends packets there', () => {
    expect(plan(nat([], null)).lines).toEqual([
      '*nat',
      ':FLANNEL-POSTRTG - [0:0]',
      ...[MARK, ...OWN].map((spec) => `-A FLANNEL-POSTRTG ${spec}`),
      `-A POSTROUTING ${JUMP}`,
      'COMMIT',
    ]);
  });

  it('takes over what flanneld wrote, in one transaction and with the jump where it is', () => {
    const old = [MARK, '-s 10.42.0.0/16 -d 10.42.0.0/16 -m comment --comment "flanneld masq" -j RETURN', OWN[3]!];
    const { lines } = plan(nat(['-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE', JUMP], old));
    expect(lines[1]).toBe(':FLANNEL-POSTRTG - [0:0]');
    expect(lines.filter((line) => line.includes('POSTROUTING'))).toEqual([]);
  });

  it('keeps the rules of another daemon and edits only ours', () => {
    const stale = `-s 10.42.0.0/16 -d 10.42.99.0/24 ${masq} RETURN`;
    expect(plan(nat([JUMP], [MARK, OTHER, stale, ...OWN.slice(1)])).lines).toEqual([
      '*nat',
      ...[stale, ...OWN.slice(1)].map((spec) => `-D FLANNEL-POSTRTG ${spec}`),
      ...OWN.map((spec) => `-A FLANNEL-POSTRTG ${spec}`),
      'COMMIT',
    ]);
  });

  it('moves the jump before a catch-all, and leaves one jump', () => {
    expect(plan(nat(['-j KUBE-POSTROUTING', '-o eth0 -j MASQUERADE', JUMP, JUMP], [MARK, ...OWN])).lines).toEqual([
      '*nat',
      `-D POSTROUTING ${JUMP}`,
      `-D POSTROUTING ${JUMP}`,
      `-I POSTROUTING 2 ${JUMP}`,
      'COMMIT',
    ]);
    expect(plan(nat([JUMP, JUMP], [MARK, ...OWN])).lines).toEqual(['*nat', `-D POSTROUTING ${JUMP}`, 'COMMIT']);
  });

  it('removes rules of flannel versions that had no chain of their own', () => {
    const { lines } = plan(nat([OWN[3]!, OTHER, JUMP], [MARK, ...OWN]));
    expect(lines).toEqual(['*nat', `-D POSTROUTING ${OWN[3]!}`, 'COMMIT']);
  });

  it('takes all of it away, the jumps first', () => {
    expect(clear(nat([JUMP, '-j KUBE-POSTROUTING', JUMP], [MARK, ...OWN]))).toEqual([
      '*nat',
      `-D POSTROUTING ${JUMP}`,
      `-D POSTROUTING ${JUMP}`,
      '-F FLANNEL-POSTRTG',
      '-X FLANNEL-POSTRTG',
      'COMMIT',
    ]);
    expect(clear(nat([JUMP], [MARK, OTHER, ...OWN]))).toEqual([
      '*nat',
      ...OWN.map((spec) => `-D FLANNEL-POSTRTG ${spec}`),
      'COMMIT',
    ]);
    expect(clear(nat(['-j KUBE-POSTROUTING'], null))).toEqual([]);
    expect(clear(nat([JUMP], []))).toEqual([
      '*nat',
      `-D POSTROUTING ${JUMP}`,
      '-F FLANNEL-POSTRTG',
      '-X FLANNEL-POSTRTG',
      'COMMIT',
    ]);
  });
});

describe('the place of the jump in FORWARD', () => {
  const forward = (rules: readonly string[]): string =>
    ['-P FORWARD DROP', ...rules.map((spec) => `-A FORWARD ${spec}`), ACCEPTS].join('\n');
  const inserted = (rules: readonly string[]): string | undefined =>
    plan(forward(rules)).lines.find((line) => /^-[IA] FORWARD/.test(line));

  it.each([
    ['nothing else', []],
    ['kube-proxy', ['-m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL', '-j KUBE-FORWARD']],
    ['the operator’s own place under Docker', ['-j DOCKER-USER']],
    ['network policy', ['-m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD', '-j KUBE-ROUTER-FORWARD']],
    ['bad states', ['-m conntrack --ctstate INVALID -j DROP']],
    ['one port', ['-p tcp -m tcp --dport 25 -j REJECT --reject-with icmp-port-unreachable']],
    ['a stranger’s address', ['-s 203.0.113.0/24 -j DROP', '-d 203.0.113.0/24 -j DROP']],
    [
      'accepts',
      ['-i lo -j ACCEPT', '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT', '-j LOG --log-prefix "x "'],
    ],
  ])('is behind %s', (_, rules) => {
    expect(inserted(rules)).toBe(`-A FORWARD ${FORWARD_JUMP}`);
    expect(plan(forward([...rules, FORWARD_JUMP])).lines).toEqual([]);
  });

  it.each([
    ['a catch-all', '-j REJECT --reject-with icmp-host-prohibited'],
    ['a catch-all of one interface', '-i eth0 -j DROP'],
    ['a drop of pods', '-s 10.0.0.0/8 -j DROP'],
    ['a drop of all but some', '! -s 192.168.0.0/16 -j DROP'],
    ['new connections', '-m conntrack --ctstate NEW -j DROP'],
    ['Docker', '-j DOCKER-FORWARD'],
    ['Docker’s bridge', '-o docker0 -j DOCKER'],
    ['ufw', '-j ufw-before-forward'],
    ['firewalld', '-j FORWARD_IN_ZONES'],
    ['an unknown chain', '-g somebody'],
    ['the policy', '-j RETURN'],
  ])('is before %s', (_, rule) => {
    expect(inserted(['-j DOCKER-USER', rule])).toBe(`-I FORWARD 2 ${FORWARD_JUMP}`);
    expect(plan(forward(['-j DOCKER-USER', FORWARD_JUMP, rule])).lines).toEqual([]);
    expect(plan(forward(['-j DOCKER-USER', rule, FORWARD_JUMP])).lines).toEqual([
      '*filter',
      `-D FORWARD ${FORWARD_JUMP}`,
      `-I FORWARD 2 ${FORWARD_JUMP}`,
      'COMMIT',
    ]);
  });

  it('does not take a jump with conditions for one', () => {
    const narrow = '-i eth0 -m comment --comment "flanneld forward" -j FLANNEL-FWD';
    expect(plan(forward([narrow])).lines).toEqual([
      '*filter',
      `-D FORWARD ${narrow}`,
      `-A FORWARD ${FORWARD_JUMP}`,
      'COMMIT',
    ]);
  });
});

describe('what the tools print', () => {
  it('is read from iptables-save as well', () => {
    const text = [
      '# Generated by iptables-save v1.8.9',
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':POSTROUTING ACCEPT [12:345]',
      ':FLANNEL-POSTRTG - [0:0]',
      `-A POSTROUTING ${JUMP}`,
      ...[MARK, ...OWN].map((spec) => `-A FLANNEL-POSTRTG ${spec}`),
      'COMMIT',
    ].join('\n');
    expect(plan(text).lines).toEqual([]);
    expect(readXtListing(text, 4)).toMatchObject({ masquerade: { policy: 'ACCEPT' } });
  });

  it('leaves a role out whose table was not listed', () => {
    expect(readXtListing('', 4)).toEqual({});
    expect(plan(`${nat([JUMP], [MARK, ...OWN])}\n# no filter`).roles).toEqual([]);
  });

  it('may hold quotes and blanks in comments', () => {
    const noise = '-m comment --comment "say \\"hi\\" -s 10.42.0.0/16 -j DROP" -j KUBE-FORWARD';
    expect(plan(nat([noise, JUMP], [MARK, ...OWN])).lines).toEqual([]);
  });
});

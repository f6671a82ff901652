import { planNftChange } from '../../src/traffic/nftables/nft-change';
import { readNftListing, type NftTableState } from '../../src/traffic/nftables/nft-listing';
import { ruleKey } from '../../src/traffic/rules/traffic-rule';
import { NETWORK, NETWORK6, SUBNET6, desiredTraffic, family, prefixes, rulesFor, trafficPolicy } from './support';

const networks = prefixes(NETWORK, NETWORK6);
const modern = { fullyRandom: true, comments: true };
const nothing = { family: 4, rules: { masquerade: [], forward: [] } } as const;

/** Pieces of `nft --stateless --json list table`, as nft 1.0.6 writes them. */
const net = (text: string) => {
  const [addr = '', len] = text.split('/');
  return len === undefined ? addr : { prefix: { addr, len: Number(len) } };
};
const match = (field: 'saddr' | 'daddr', right: unknown, op = '==') => ({
  match: { op, left: { payload: { protocol: 'ip', field } }, right },
});
const from = (prefix: string, op?: string) => match('saddr', net(prefix), op);
const to = (prefix: string, op?: string) => match('daddr', net(prefix), op);
const markMatch = { match: { op: '==', left: { '&': [{ meta: { key: 'mark' } }, 0x4000] }, right: 0x4000 } };
const exactMark = { match: { op: '==', left: { meta: { key: 'mark' } }, right: 0x4000 } };
const counter = { counter: null };
const masquerade = { masquerade: { flags: 'fully-random' } };
const back = { return: null };

const RIGHT = [
  [markMatch, counter, back],
  [from('10.42.1.0/24'), to('10.42.0.0/16'), counter, back],
  [from('10.42.0.0/16'), to('10.42.1.0/24'), counter, back],
  [from('10.42.0.0/16', '!='), to('10.42.1.0/24'), counter, back],
  [from('10.42.0.0/16'), to('224.0.0.0/4', '!='), counter, masquerade],
  [from('10.42.0.0/16', '!='), to('10.42.0.0/16'), counter, masquerade],
];
const FORWARD = [
  [from('10.42.0.0/16'), counter, { accept: null }],
  [to('10.42.0.0/16'), counter, { accept: null }],
];
/** Rules 1 and 4 differ, and there are no counters. */
const FLANNELD = [
  [exactMark, back],
  [from('10.42.1.0/24'), to('10.42.0.0/16'), back],
  [from('10.42.0.0/16'), to('10.42.1.0/24'), back],
  [from('10.42.1.0/24', '!='), to('10.42.0.0/16'), back],
  [from('10.42.0.0/16'), to('224.0.0.0/4', '!='), masquerade],
  [from('10.42.0.0/16', '!='), to('10.42.0.0/16'), masquerade],
];
const OTHER = [from('10.43.0.0/16'), to('224.0.0.0/4', '!='), masquerade];

interface Listed {
  readonly masquerade?: readonly unknown[] | null;
  readonly forward?: readonly unknown[] | null;
  readonly chain?: object;
  readonly more?: readonly object[];
}

function listing({ masquerade: postrtg = RIGHT, forward = FORWARD, chain = {}, more = [] }: Listed): NftTableState {
  const table = 'flannel-ipv4';
  const base = { family: 'ip', table };
  const rules = (name: string, list: readonly unknown[]) =>
    list.map((expr, index) => ({ rule: { ...base, chain: name, handle: index + 10, expr } }));
  const nftables = [
    { metainfo: { version: '1.0.6', json_schema_version: 1 } },
    { table: { family: 'ip', name: table, handle: 1 } },
    ...(postrtg
      ? [
          {
            chain: {
              ...base,
              name: 'postrtg',
              type: 'nat',
              hook: 'postrouting',
              prio: 100,
              policy: 'accept',
              ...chain,
            },
          },
        ]
      : []),
    ...(forward
      ? [{ chain: { ...base, name: 'forward', type: 'filter', hook: 'forward', prio: 0, policy: 'accept' } }]
      : []),
    ...rules('postrtg', postrtg ?? []),
    ...rules('forward', forward ?? []),
    ...more,
  ];
  return readNftListing(JSON.stringify({ nftables }), 4, networks);
}

function plan(state: NftTableState | null, wanted: Parameters<typeof planNftChange>[1] = rulesFor()): string[] {
  return planNftChange(state, wanted, modern).input.split('\n').filter(Boolean);
}

describe('a change of the nft table', () => {
  it('is none when all is right', () => {
    expect(plan(listing({}))).toEqual([]);
    expect(plan(listing({ masquerade: [OTHER, ...RIGHT] }))).toEqual([]);
  });

  it('makes table, chains and rules', () => {
    const lines = plan(null);
    expect(lines.slice(0, 4)).toEqual([
      'add table ip flannel-ipv4 { comment "rules for flannel-ipv4"; }',
      'add chain ip flannel-ipv4 postrtg { type nat hook postrouting priority 100; policy accept; comment "chain to manage traffic masquerading by flannel"; }',
      'flush chain ip flannel-ipv4 postrtg',
      'add rule ip flannel-ipv4 postrtg meta mark & 0x4000 == 0x4000 counter return comment "kube-proxy decides"',
    ]);
    expect(lines.at(-1)).toBe(
      'add rule ip flannel-ipv4 forward ip daddr 10.42.0.0/16 counter accept comment "to pods"',
    );
    expect(lines).toHaveLength(1 + 2 + 6 + 2 + 2);
  });

  it('replaces what flanneld wrote, faults included', () => {
    const lines = plan(listing({ masquerade: FLANNELD, forward: FORWARD }));
    expect(lines.filter((line) => line.startsWith('flush'))).toEqual(['flush chain ip flannel-ipv4 postrtg']);
    expect(lines.filter((line) => line.includes(' forward '))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('add rule'))).toHaveLength(6);
  });

  it('edits by handle where another daemon has rules', () => {
    const lines = plan(listing({ masquerade: [...FLANNELD, OTHER] }));
    expect(lines.filter((line) => line.startsWith('flush'))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('delete'))).toEqual(
      [11, 12, 13, 14, 15, 10].map((handle) => `delete rule ip flannel-ipv4 postrtg handle ${handle}`),
    );
    expect(lines.filter((line) => line.startsWith('insert'))).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith('add rule'))).toHaveLength(5);
  });

  it('makes a chain anew that is hooked in elsewhere', () => {
    const lines = plan(listing({ chain: { prio: 0 } }));
    expect(lines.slice(1, 4)).toEqual([
      'flush chain ip flannel-ipv4 postrtg',
      'delete chain ip flannel-ipv4 postrtg',
      expect.stringMatching(/^add chain ip flannel-ipv4 postrtg /) as string,
    ]);
    expect(plan(listing({ chain: { policy: 'drop' } }))).not.toEqual([]);
  });

  it('takes the whole table away when nobody else is in it', () => {
    expect(plan(listing({}), nothing)).toEqual(['delete table ip flannel-ipv4']);
    expect(plan(listing({ masquerade: null, forward: null }), nothing)).toEqual(['delete table ip flannel-ipv4']);
    expect(plan(null, nothing)).toEqual([]);
  });

  it('leaves table and chain to others who are in them', () => {
    const lines = plan(listing({ masquerade: [...RIGHT, OTHER] }), nothing);
    expect(lines.filter((line) => line.startsWith('delete'))).toEqual([
      ...[11, 12, 13, 14, 15].map((handle) => `delete rule ip flannel-ipv4 postrtg handle ${handle}`),
      'delete chain ip flannel-ipv4 forward',
    ]);
    const set = { set: { family: 'ip', name: 'theirs', table: 'flannel-ipv4' } };
    const own = plan(listing({ more: [set] }), nothing);
    expect(own).not.toContain('delete table ip flannel-ipv4');
    expect(own.filter((line) => line.startsWith('delete'))).toHaveLength(2);
  });

  it('drops only the role that is not wanted any more', () => {
    const lines = plan(listing({}), rulesFor(desiredTraffic(), trafficPolicy({ masquerade: false })));
    expect(lines.slice(1)).toEqual(['flush chain ip flannel-ipv4 postrtg', 'delete chain ip flannel-ipv4 postrtg']);
  });

  it('asks for nothing that nft or the kernel does not know', () => {
    const { input } = planNftChange(null, rulesFor(), { fullyRandom: false, comments: false });
    expect(input).not.toContain('fully-random');
    expect(input.split('\n').slice(0, 2)).toEqual([
      'add table ip flannel-ipv4',
      'add chain ip flannel-ipv4 postrtg { type nat hook postrouting priority 100; policy accept; }',
    ]);
    const plain = RIGHT.map((rule) => rule.map((part) => (part === masquerade ? { masquerade: null } : part)));
    expect(
      planNftChange(listing({ masquerade: plain }), rulesFor(), { fullyRandom: false, comments: true }).input,
    ).toBe('');
  });

  it('writes sets where there is more than one prefix, and IPv6 with its own words', () => {
    const desired = desiredTraffic({ ipv4: null, ipv6: family(NETWORK6, SUBNET6), nodes: ['fd50::1', 'fd50::7'] });
    const policy = trafficPolicy({ masqueradeNodeTraffic: false, excluded: ['fd00::/9', '2001:db8::/32'] });
    const lines = plan(null, rulesFor(desired, policy));
    expect(lines[0]).toBe('add table ip6 flannel-ipv6 { comment "rules for flannel-ipv6"; }');
    expect(lines).toContain(
      'add rule ip6 flannel-ipv6 postrtg ip6 saddr fc00:42::/48 ip6 daddr { 2001:db8::/32, fd00::/9 } counter return comment "excluded network"',
    );
    expect(lines).toContain(
      'add rule ip6 flannel-ipv6 postrtg ip6 saddr fc00:42::/48 ip6 daddr { fd50::1, fd50::7 } counter return comment "cluster node"',
    );
  });
});

describe('a rule in the JSON of nft', () => {
  const keys = (expr: unknown): (string | null)[] =>
    listing({ masquerade: [expr] }).chains.masquerade!.rules.map(({ key }) => key);

  it.each([
    ['a set', match('daddr', { set: [net('10.8.0.0/16'), '10.10.0.1', { range: ['10.9.0.0', '10.9.255.255'] }] })],
    ['one range', match('daddr', { set: [{ range: ['10.8.0.0', '10.9.255.255'] }, '10.10.0.1'] })],
  ])('may hold %s', (_, statement) => {
    const policy = trafficPolicy({ excluded: ['10.8.0.0/15', '10.10.0.1/32'] });
    expect(keys([from('10.42.0.0/16'), statement, counter, back])).toEqual([
      ruleKey(rulesFor(desiredTraffic(), policy).rules.masquerade[1]!),
    ]);
  });

  it.each([
    [
      'another match',
      [from('10.42.0.0/16'), { match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'x' } }, back],
    ],
    ['another verdict', [from('10.42.0.0/16'), { drop: null }]],
    ['other flags', [from('10.42.0.0/16'), { masquerade: { flags: ['random', 'persistent'] } }]],
    ['the same side twice', [from('10.42.0.0/16'), from('10.42.1.0/24'), back]],
    ['a named set', [from('10.42.0.0/16'), match('daddr', '@nodes'), back]],
    ['no verdict', [from('10.42.0.0/16')]],
    ['nonsense', 'nonsense'],
  ])('with %s is not understood', (_, expr) => {
    expect(keys(expr)).toEqual([null]);
  });

  it('belongs to the network that it speaks of, even when it is not understood', () => {
    const strange = [from('10.42.0.0/16'), { quota: { val: 5 } }, back];
    const state = listing({ masquerade: [OTHER, strange, [exactMark, back], [{ drop: null }]] });
    expect(state.chains.masquerade!.rules.map(({ owner }) => owner)).toEqual(['foreign', 'own', 'shared', 'foreign']);
  });
});

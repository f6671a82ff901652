import { desiredTraffic, trafficPolicy } from '@tartan/conformance';
import { TrafficWorld } from './world/traffic-world';
import { withRunning } from './world/running';

let world: TrafficWorld;
beforeAll(async () => {
  world = await TrafficWorld.create();
});
beforeEach(() => world.reset());
afterAll(() => world.destroy());

const masq = '-m comment --comment "flanneld masq" -j';
const JUMP = `-A POSTROUTING ${masq} FLANNEL-POSTRTG`;
const FORWARD_JUMP = '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD';

/** What the upstream's end-to-end test compares (flannel-compat 5.1). */
const EXPECTED = [
  '-N FLANNEL-POSTRTG',
  JUMP,
  `-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 ${masq} RETURN`,
  `-A FLANNEL-POSTRTG -s 10.42.1.0/24 -d 10.42.0.0/16 ${masq} RETURN`,
  `-A FLANNEL-POSTRTG -s 10.42.0.0/16 -d 10.42.1.0/24 ${masq} RETURN`,
  `-A FLANNEL-POSTRTG ! -s 10.42.0.0/16 -d 10.42.1.0/24 ${masq} RETURN`,
  `-A FLANNEL-POSTRTG -s 10.42.0.0/16 ! -d 224.0.0.0/4 ${masq} MASQUERADE --random-fully`,
  `-A FLANNEL-POSTRTG ! -s 10.42.0.0/16 -d 10.42.0.0/16 ${masq} MASQUERADE --random-fully`,
];
const EXPECTED_FORWARD = [
  '-N FLANNEL-FWD',
  FORWARD_JUMP,
  '-A FLANNEL-FWD -s 10.42.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
  '-A FLANNEL-FWD -d 10.42.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
];

/** As the newest flannel leaves them, at the end of the built-in chains and with another program's rules around. */
const NEW_FLANNELD = [
  '*nat',
  ':FLANNEL-POSTRTG - [0:0]',
  '-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE',
  JUMP,
  ...EXPECTED.slice(2),
  'COMMIT',
  '*filter',
  ':FLANNEL-FWD - [0:0]',
  '-A FORWARD -i docker0 -j ACCEPT',
  ...EXPECTED_FORWARD.slice(1),
  'COMMIT',
];
/** As older ones do: fewer rules, and the jumps first. */
const OLD_FLANNELD = [
  '*nat',
  ':FLANNEL-POSTRTG - [0:0]',
  '-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE',
  `-I POSTROUTING 1 ${masq} FLANNEL-POSTRTG`,
  `-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 ${masq} RETURN`,
  `-A FLANNEL-POSTRTG -s 10.42.0.0/16 -d 10.42.0.0/16 ${masq} RETURN`,
  `-A FLANNEL-POSTRTG -s 10.42.0.0/16 ! -d 224.0.0.0/4 ${masq} MASQUERADE --random-fully`,
  `-A FLANNEL-POSTRTG ! -s 10.42.0.0/16 -d 10.42.7.0/24 ${masq} RETURN`,
  `-A FLANNEL-POSTRTG ! -s 10.42.0.0/16 -d 10.42.0.0/16 ${masq} MASQUERADE --random-fully`,
  'COMMIT',
  ...NEW_FLANNELD.slice(NEW_FLANNELD.indexOf('*filter')),
];
/** Its other family: the same rules with the other words. */
const NEW_FLANNELD_IPV6 = NEW_FLANNELD.map((line) =>
  line
    .replaceAll('10.42.1.0/24', 'fc00:42:0:1::/64')
    .replaceAll('10.42.0.0/16', 'fc00:42::/48')
    .replaceAll('224.0.0.0/4', 'ff00::/8')
    .replaceAll('172.17.0.0/16', 'fd17::/64'),
);
const NFT_FLANNELD = `
table ip flannel-ipv4 {
  comment "rules for flannel-ipv4"
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr 10.42.0.0/16 accept
    ip daddr 10.42.0.0/16 accept
  }
  chain postrtg {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark 0x4000 return
    ip saddr 10.42.1.0/24 ip daddr 10.42.0.0/16 return
    ip saddr 10.42.0.0/16 ip daddr 10.42.1.0/24 return
    ip saddr != 10.42.1.0/24 ip daddr 10.42.0.0/16 return
    ip saddr 10.42.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
    ip saddr != 10.42.0.0/16 ip daddr 10.42.0.0/16 masquerade fully-random
  }
}
table ip6 flannel-ipv6 {
  comment "rules for flannel-ipv6"
}
`;

async function restore(flavour: 'legacy' | 'nft', lines: readonly string[], program = 'iptables'): Promise<void> {
  await world.node.run([`${program}-${flavour}-restore`, '--noflush', '--wait'], { input: `${lines.join('\n')}\n` });
}

async function rules(flavour: 'legacy' | 'nft', table: 'nat' | 'filter', program = 'iptables'): Promise<string[]> {
  const text = await world.script(`${program}-${flavour} -w -t ${table} -S 2>/dev/null`);
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('-P '));
}

const onlyIpv4 = desiredTraffic({ ipv6: null });

describe.each(['legacy', 'nft'] as const)('rules in iptables-%s', (flavour) => {
  const start = () => world.create({ choice: 'iptables', flavour, policy: trafficPolicy() });
  const keep = (): Promise<void> => Promise.resolve();

  it('are listed word for word as those of the original', () =>
    withRunning(start(), onlyIpv4, async () => {
      expect(await rules(flavour, 'nat')).toEqual(EXPECTED);
      expect(await rules(flavour, 'filter')).toEqual(EXPECTED_FORWARD);
    }));

  it('of the newest flannel are adopted as they are', async () => {
    await restore(flavour, NEW_FLANNELD);
    const before = [await rules(flavour, 'nat'), await rules(flavour, 'filter')];
    const writes = world.logger.matching('traffic rules written').length;
    await withRunning(start(), onlyIpv4, keep);
    expect([await rules(flavour, 'nat'), await rules(flavour, 'filter')]).toEqual(before);
    expect(world.logger.matching('traffic rules written')).toHaveLength(writes);
  });

  it('of an older flannel are replaced in place', async () => {
    await restore(flavour, OLD_FLANNELD);
    await withRunning(start(), onlyIpv4, keep);
    expect(await rules(flavour, 'nat')).toEqual([
      EXPECTED[0],
      JUMP,
      '-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE',
      ...EXPECTED.slice(2),
    ]);
  });

  it('are moved out of nftables, and what is left there of flanneld goes', async () => {
    await world.node.nft(NFT_FLANNELD);
    await withRunning(start(), onlyIpv4, keep);
    expect(await world.script('nft list tables')).not.toContain('flannel');
    expect(await rules(flavour, 'nat')).toEqual(EXPECTED);
  });

  it('are moved out of the other flavour, jumps and chains in both tables', async () => {
    const other = flavour === 'legacy' ? 'nft' : 'legacy';
    await restore(other, NEW_FLANNELD);
    await withRunning(start(), onlyIpv4, keep);
    expect(await rules(other, 'nat')).toEqual(['-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE']);
    expect(await rules(other, 'filter')).toEqual(['-A FORWARD -i docker0 -j ACCEPT']);
    expect(await rules(flavour, 'nat')).toEqual(EXPECTED);
  });

  it('are moved to nftables without a packet that is not masqueraded', async () => {
    const old = world.create({ choice: 'iptables', flavour, policy: trafficPolicy() });
    await withRunning(old, onlyIpv4, keep);
    const seen = new Set<string | null>();
    let moving = true;
    const send = async (): Promise<void> => {
      while (moving) seen.add(await world.send({ from: 'pod', to: 'outside', family: 4 }));
    };
    const sending = send();
    await withRunning(world.create({ choice: 'nftables', flavour, policy: trafficPolicy() }), onlyIpv4, keep);
    moving = false;
    await sending;
    expect([...seen]).toEqual(['192.168.50.1']);
    expect(await rules(flavour, 'nat')).toEqual([]);
    expect(await rules(flavour, 'filter')).toEqual([]);
  });
});

describe('rules in nftables', () => {
  const start = () => world.create({ choice: 'nftables', flavour: 'nft', policy: trafficPolicy() });
  const handles = (): Promise<string> => world.script('nft --handle --stateless list table ip flannel-ipv4');

  it('of flanneld are replaced, its fault with them', async () => {
    await world.node.nft(NFT_FLANNELD);
    await withRunning(start(), onlyIpv4, async () => {
      const text = await handles();
      expect(text).toContain('meta mark & 0x00004000 == 0x00004000');
      expect(text).not.toContain('ip saddr != 10.42.1.0/24');
      expect(text.match(/masquerade fully-random/g)).toHaveLength(2);
      expect(text.match(/ # handle/g)).toHaveLength(1 + 2 + 6 + 2);
    });
    // The other family was never on, and its empty table is nobody's.
    expect(await world.script('nft list tables')).not.toContain('flannel-ipv6');
  });

  it('are not written again by the next daemon', async () => {
    const desired = desiredTraffic({ nodes: ['peer', 'third', 'outside'] });
    const policy = trafficPolicy({
      masqueradeNodeTraffic: false,
      excluded: ['10.0.0.0/9', '172.16.0.0/12', 'fd00::/9'],
    });
    const next = () => world.create({ choice: 'nftables', flavour: 'nft', policy });
    const first = await withRunning(next(), desired, handles);
    expect(await withRunning(next(), desired, handles)).toBe(first);
  });

  it('of old iptables rules leave nothing behind, in either flavour', async () => {
    await restore('legacy', NEW_FLANNELD);
    await restore('nft', OLD_FLANNELD);
    await withRunning(start(), onlyIpv4, () => Promise.resolve());
    for (const flavour of ['legacy', 'nft'] as const) {
      expect(await rules(flavour, 'nat')).toEqual(['-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE']);
      expect(await rules(flavour, 'filter')).toEqual(['-A FORWARD -i docker0 -j ACCEPT']);
    }
  });

  it('of old ip6tables rules leave nothing behind either', async () => {
    for (const flavour of ['legacy', 'nft'] as const) await restore(flavour, NEW_FLANNELD_IPV6, 'ip6tables');
    await withRunning(start(), desiredTraffic(), () => Promise.resolve());
    for (const flavour of ['legacy', 'nft'] as const) {
      expect(await rules(flavour, 'nat', 'ip6tables')).toEqual([
        '-A POSTROUTING -s fd17::/64 ! -o docker0 -j MASQUERADE',
      ]);
      expect(await rules(flavour, 'filter', 'ip6tables')).toEqual(['-A FORWARD -i docker0 -j ACCEPT']);
    }
  });
});

import { planRules } from '../../src/traffic/rules/plan-rules';
import type { FamilyRules } from '../../src/traffic/rules/traffic-rule';
import { desiredXtRules } from '../../src/traffic/iptables/xt-change';
import { writeXtRule } from '../../src/traffic/iptables/xt-rule';
import { NETWORK6, SUBNET6, desiredTraffic, family, rulesFor, trafficPolicy } from './support';

const capabilities = { fullyRandom: true };

function xt({ rules }: FamilyRules): { masquerade: string[]; forward: string[] } {
  const write = (role: 'masquerade' | 'forward', comment: string): string[] =>
    desiredXtRules(rules[role], capabilities).flatMap((rule) => writeXtRule(rule, comment));
  return { masquerade: write('masquerade', 'flanneld masq'), forward: write('forward', 'flanneld forward') };
}

const masq = '-m comment --comment "flanneld masq" -j';

describe('the rules of one network', () => {
  it('are those of the original, word for word', () => {
    expect(xt(rulesFor())).toEqual({
      masquerade: [
        `-m mark --mark 0x4000/0x4000 ${masq} RETURN`,
        `-s 10.42.1.0/24 -d 10.42.0.0/16 ${masq} RETURN`,
        `-s 10.42.0.0/16 -d 10.42.1.0/24 ${masq} RETURN`,
        `! -s 10.42.0.0/16 -d 10.42.1.0/24 ${masq} RETURN`,
        `-s 10.42.0.0/16 ! -d 224.0.0.0/4 ${masq} MASQUERADE --random-fully`,
        `! -s 10.42.0.0/16 -d 10.42.0.0/16 ${masq} MASQUERADE --random-fully`,
      ],
      forward: [
        '-s 10.42.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
        '-d 10.42.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
      ],
    });
  });

  it('are the same in IPv6 with its multicast range', () => {
    const [six] = planRules(desiredTraffic({ ipv4: null, ipv6: family(NETWORK6, SUBNET6) }), trafficPolicy());
    expect(xt(six!).masquerade).toEqual([
      `-m mark --mark 0x4000/0x4000 ${masq} RETURN`,
      `-s fc00:42:0:1::/64 -d fc00:42::/48 ${masq} RETURN`,
      `-s fc00:42::/48 -d fc00:42:0:1::/64 ${masq} RETURN`,
      `! -s fc00:42::/48 -d fc00:42:0:1::/64 ${masq} RETURN`,
      `-s fc00:42::/48 ! -d ff00::/8 ${masq} MASQUERADE --random-fully`,
      `! -s fc00:42::/48 -d fc00:42::/48 ${masq} MASQUERADE --random-fully`,
    ]);
  });

  it('exist for the families that are on, and only for the roles that are on', () => {
    const both = planRules(desiredTraffic({ ipv6: family(NETWORK6, SUBNET6) }), trafficPolicy({ masquerade: false }));
    expect(both.map((one) => [one.family, one.rules.masquerade.length, one.rules.forward.length])).toEqual([
      [4, 0, 2],
      [6, 0, 2],
    ]);
    expect(rulesFor(desiredTraffic(), trafficPolicy({ forward: false })).rules.forward).toEqual([]);
    expect(planRules(desiredTraffic({ ipv4: null }), trafficPolicy())).toEqual([]);
  });

  it('leave out random ports where they are switched off', () => {
    expect(xt(rulesFor(desiredTraffic(), trafficPolicy({ fullyRandom: false }))).masquerade.at(-1)).toBe(
      `! -s 10.42.0.0/16 -d 10.42.0.0/16 ${masq} MASQUERADE`,
    );
  });

  it('except networks of the same family, in as few prefixes as will do', () => {
    const policy = trafficPolicy({
      excluded: ['10.0.0.0/9', 'fd00::/8', '10.128.0.0/9', '10.1.0.0/16', '172.16.0.0/12'],
    });
    expect(xt(rulesFor(desiredTraffic(), policy)).masquerade.slice(1, 3)).toEqual([
      `-s 10.42.0.0/16 -d 10.0.0.0/8 ${masq} RETURN`,
      `-s 10.42.0.0/16 -d 172.16.0.0/12 ${masq} RETURN`,
    ]);
  });

  it('except nodes only when asked to', () => {
    const desired = desiredTraffic({ nodes: ['192.168.50.2', '192.168.50.3', '192.168.50.9', 'fd50::1'] });
    expect(xt(rulesFor(desired, trafficPolicy())).masquerade).toHaveLength(6);
    expect(xt(rulesFor(desired, trafficPolicy({ masqueradeNodeTraffic: false }))).masquerade.slice(1, 3)).toEqual([
      `-s 10.42.0.0/16 -d 192.168.50.2/31 ${masq} RETURN`,
      `-s 10.42.0.0/16 -d 192.168.50.9/32 ${masq} RETURN`,
    ]);
  });
});

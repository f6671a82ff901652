import { optionsWithoutEffect } from '@tartan/core';
import { failure, parse } from './support';

describe('options of the traffic rules', () => {
  it('have effect, all of them', () => {
    const argv = [
      '--traffic-manager=iptables',
      '--ip-masq',
      '--ip-masq-fully-random-disable',
      '--non-masquerade-cidrs=10.0.0.0/8',
      '--masq-node-traffic=false',
      '--iptables-forward-rules=false',
      '--iptables-resync=7',
      '--ip-blackhole-route',
      '--manage-sysctls',
    ];
    const options = parse({ argv });
    expect(optionsWithoutEffect(options)).toEqual([]);
    expect(options).toMatchObject({
      trafficManager: 'iptables',
      ipMasq: true,
      ipMasqFullyRandomDisable: true,
      nonMasqueradeCidrs: ['10.0.0.0/8'],
      masqNodeTraffic: false,
      iptablesForwardRules: false,
      iptablesResync: 7,
      ipBlackholeRoute: true,
      manageSysctls: true,
    });
  });

  it('are harmless by default', () => {
    expect(parse({})).toMatchObject({
      trafficManager: 'auto',
      nonMasqueradeCidrs: [],
      masqNodeTraffic: true,
      manageSysctls: false,
      cleanup: false,
      dryRun: false,
    });
  });

  it('take networks of both families, in lists and repeated', () => {
    const argv = ['--non-masquerade-cidrs=10.0.0.0/8, fd00::/8', '--non-masquerade-cidrs', '192.168.0.0/16'];
    expect(parse({ argv }).nonMasqueradeCidrs).toEqual(['10.0.0.0/8', 'fd00::/8', '192.168.0.0/16']);
    expect(failure({ argv: ['--non-masquerade-cidrs=10.0.0.0'] })).toEqual({
      code: 'OPTION_INVALID',
      message:
        '--non-masquerade-cidrs is "10.0.0.0", expected IPv4 or IPv6 prefixes such as 10.0.0.0/8, separated by commas',
    });
  });

  it('refuse a dry run of nothing', () => {
    expect(parse({ argv: ['--cleanup', '--dry-run'] })).toMatchObject({ cleanup: true, dryRun: true });
    expect(failure({ argv: ['--dry-run'] }).code).toBe('OPTION_INVALID');
    expect(parse({ env: { TARTAND_CLEANUP: 'true' } }).cleanup).toBe(false);
  });
});

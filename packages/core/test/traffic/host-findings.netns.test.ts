import {
  cleanupTraffic,
  discoverTrafficNetworks,
  parseIpPrefix,
  type Finding,
  type TrafficManagerOptions,
} from '@tartan/core';
import { desiredTraffic, trafficPolicy, type PolicyChange } from '@tartan/conformance';
import { eventually } from '@tartan/lab';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TrafficWorld, type WorldOptions } from './world/traffic-world';
import { withRunning } from './world/running';

let world: TrafficWorld;
beforeAll(async () => {
  world = await TrafficWorld.create();
});
beforeEach(() => world.reset());
afterAll(() => world.destroy());

const onlyIpv4 = desiredTraffic({ ipv6: null, interfaces: ['eth0'] });

/** Findings while a manager runs; `cure` types a cure into a shell of the node, and waits until nothing is found any more. */
function withFindings(
  options: WorldOptions & { readonly policy?: PolicyChange } & Partial<Pick<TrafficManagerOptions, 'manageSysctls'>>,
  desired: Parameters<typeof withRunning>[1],
  body: (found: Finding[], cure: (finding: Finding) => Promise<void>) => Promise<void>,
): Promise<void> {
  const { policy, ...rest } = options;
  const one = world.create({ ...rest, policy: trafficPolicy(policy), inspectionMs: 100, resyncMs: 100 });
  return withRunning(one, desired, async (manager) => {
    const relevant = (): Finding[] => manager.status().findings.filter(({ severity }) => severity !== 'info');
    const look = async (): Promise<void> => {
      const { passes } = manager.status();
      manager.requestPass();
      await eventually(() => manager.status().passes > passes + 1, { what: 'one more look' });
    };
    await look();
    await body(relevant(), async ({ cure = '' }) => {
      // The persistent half of a cure is for a real host, and the alternative behind it for its operator.
      const command = cure.replace(/ \([^)]*\)$/, '').replace(/ && echo .*$/, '');
      await world.script(
        command.replace(/^sysctl -w (\S+)=(\S+)$/, (_, name: string, value: string) => write(name, value)),
      );
      await eventually(() => relevant().length === 0, { what: `nothing is found after: ${command}` });
    });
  });
}

function write(name: string, value: string): string {
  return `echo ${value} > /proc/sys/${name.replaceAll('.', '/')}`;
}

function captured(name: string): string {
  return readFileSync(join(__dirname, 'captured', name), 'utf8');
}

const NFT: WorldOptions = { choice: 'nftables', flavour: 'nft' };

describe('kernel settings', () => {
  afterEach(() =>
    world.script(
      [
        write('net.ipv4.ip_forward', '1'),
        write('net.ipv6.conf.all.forwarding', '1'),
        write('net.ipv4.conf.eth0.rp_filter', '0'),
        write('net.ipv4.conf.all.rp_filter', '0'),
        write('net.bridge.bridge-nf-call-iptables', '1'),
      ].join('\n'),
    ),
  );

  it('that are right are no finding', () =>
    withFindings(NFT, desiredTraffic({ interfaces: ['eth0'] }), async (found) => {
      expect(found).toEqual([]);
    }));

  it.each([
    ['net.ipv4.ip_forward', '0', 'IP_FORWARD_OFF', {}],
    ['net.ipv6.conf.all.forwarding', '0', 'IP_FORWARD_OFF', {}],
    ['net.ipv4.conf.eth0.rp_filter', '1', 'RP_FILTER_STRICT', { masqueradeNodeTraffic: false }],
    ['net.ipv4.conf.all.rp_filter', '1', 'RP_FILTER_STRICT', { masqueradeNodeTraffic: false }],
  ])('%s = %s is found, and the cure cures it', async (name, value, code, policy) => {
    await world.script(write(name, value));
    await withFindings({ ...NFT, policy }, desiredTraffic({ interfaces: ['eth0'] }), async (found, cure) => {
      expect(found).toEqual([expect.objectContaining({ code })]);
      await cure(found[0]!);
    });
  });

  it('are set when that is wanted', async () => {
    await world.script(
      [
        write('net.ipv4.ip_forward', '0'),
        write('net.ipv6.conf.all.forwarding', '0'),
        write('net.bridge.bridge-nf-call-iptables', '0'),
        write('net.ipv4.conf.eth0.rp_filter', '1'),
        write('net.ipv6.conf.eth0.accept_ra', '1'),
      ].join('\n'),
    );
    await withFindings({ ...NFT, manageSysctls: true }, desiredTraffic({ interfaces: ['eth0'] }), async (found) => {
      expect(found).toEqual([]);
      const read = (name: string): Promise<string> => world.script(`cat /proc/sys/${name.replaceAll('.', '/')}`);
      expect(await read('net.ipv4.ip_forward')).toBe('1\n');
      expect(await read('net.ipv6.conf.all.forwarding')).toBe('1\n');
      expect(await read('net.bridge.bridge-nf-call-iptables')).toBe('1\n');
      expect(await read('net.ipv4.conf.eth0.rp_filter')).toBe('2\n');
      // Else the host would lose the default route that its router advertises.
      expect(await read('net.ipv6.conf.eth0.accept_ra')).toBe('2\n');
    });
  });
});

describe('firewalls of others', () => {
  it('an nftables chain that drops is found, and the cure cures it', async () => {
    await world.node.nft('table inet mine { chain forward { type filter hook forward priority 0; policy drop; }; }');
    await withFindings(NFT, desiredTraffic(), async (found, cure) => {
      expect(found).toEqual([
        expect.objectContaining({ code: 'FORWARD_DROPPED', subject: 'nftables chain inet mine forward' }),
      ]);
      expect(await world.send({ from: 'pod', to: 'outside', family: 6 })).toBeNull();
      await cure(found[0]!);
      expect(await world.send({ from: 'pod', to: 'outside', family: 4 })).toBe('192.168.50.1');
      expect(await world.send({ from: 'outside', to: 'pod', family: 6 })).toBe('fd50::4');
    });
  });

  // Captured, because the package starts a firewall on whatever machine it is installed on.
  it('firewalld is found by its table, and its own rule for pods ends it', async () => {
    await world.node.nft(captured('firewalld-default.nft'));
    await withFindings(NFT, onlyIpv4, async (found) => {
      expect(found).toEqual([
        expect.objectContaining({
          code: 'FIREWALLD_BLOCKS',
          cure: 'firewall-cmd --permanent --zone=trusted --add-source=10.42.0.0/16 && firewall-cmd --reload',
        }),
      ]);
      expect(await world.send({ from: 'pod', to: 'outside', family: 4 })).toBeNull();
    });
    await world.node.nft(`delete table inet firewalld\n${captured('firewalld-trusted.nft')}`);
    await withFindings(NFT, onlyIpv4, async (found) => {
      expect(found).toEqual([]);
      expect(await world.send({ from: 'pod', to: 'outside', family: 4 })).toBe('192.168.50.1');
    });
  });

  it.each([
    ['nft', NFT],
    ['legacy', { choice: 'nftables', flavour: 'legacy' } as const],
    ['legacy', { choice: 'iptables', flavour: 'legacy' } as const],
  ])(
    'Docker’s policy in iptables-%s is found where forward rules are off, and the cure cures it',
    async (flavour, options) => {
      const iptables = `iptables-${flavour} -w`;
      await world.script(
        `${iptables} -P FORWARD DROP; ${iptables} -N DOCKER-USER; ${iptables} -I FORWARD -j DOCKER-USER`,
      );
      await withFindings({ ...options, policy: { forward: false } }, onlyIpv4, async (found, cure) => {
        expect(found).toEqual([
          expect.objectContaining({ code: 'FORWARD_DROPPED', message: expect.stringMatching(/^Docker/) as string }),
        ]);
        await cure({ ...found[0]!, cure: found[0]!.cure!.replaceAll(/(?<=^|&& )iptables(?:-\w+)?/g, iptables) });
        expect(await world.send({ from: 'pod', to: 'outside', family: 4 })).toBe('192.168.50.1');
      });
    },
  );

  describe('ufw itself', () => {
    const root = mkdtempSync(join(tmpdir(), 'ufw-'));
    /** All its files are elsewhere: without either of both options it would change those of this machine. */
    const ufw = `ufw --rootdir=${root} --datadir=${root}`;
    beforeEach(async () => {
      const files = '/usr/share/ufw/iptables/*.rules /usr/share/ufw/ufw.conf /etc/ufw/sysctl.conf';
      await world.script(
        [
          `rm -rf ${root}/*; mkdir -p ${root}/etc/default ${root}/etc/ufw/applications.d ${root}/lib ${root}/usr/share`,
          `cp ${files} ${root}/etc/ufw/; cp /etc/default/ufw ${root}/etc/default/`,
          `cp -r /lib/ufw ${root}/lib/; cp -r /usr/share/ufw ${root}/usr/share/`,
          `${ufw} --force enable`,
        ].join('\n'),
      );
    });
    afterAll(() => rmSync(root, { recursive: true, force: true }));

    it.each(['nftables', 'iptables'] as const)('lets pods through with forward rules: %s', async (choice) => {
      await withFindings({ ...NFT, choice }, onlyIpv4, async (found) => {
        expect(found).toEqual([]);
        expect(await world.send({ from: 'pod', to: 'outside', family: 4 })).toBe('192.168.50.1');
        expect(await world.send({ from: 'peerPod', to: 'pod', family: 4 })).toBe('10.42.2.2');
        // Its own rules are as they were, and so is its order.
        expect(await world.script('iptables -S FORWARD')).toContain('-A FORWARD -j ufw-before-forward');
      });
    });

    it('is named in its own words without forward rules, and the cure cures it', async () => {
      await withFindings({ ...NFT, policy: { forward: false } }, onlyIpv4, async (found, cure) => {
        expect(found[0]?.cure).toBe(
          'ufw route allow from 10.42.0.0/16 && ufw route allow to 10.42.0.0/16 (or switch --iptables-forward-rules on)',
        );
        expect(await world.send({ from: 'pod', to: 'outside', family: 4 })).toBeNull();
        await cure({ ...found[0]!, cure: found[0]!.cure!.replaceAll(/(?<=^|&& )ufw/g, ufw) });
        expect(await world.send({ from: 'pod', to: 'outside', family: 4 })).toBe('192.168.50.1');
      });
    });
  });
});

describe('the clean-up', () => {
  const everything = async (): Promise<string> =>
    (await world.script('nft -s list ruleset 2>/dev/null; iptables-legacy-save; ip6tables-legacy-save')).replaceAll(
      /\[\d+:\d+\]|^#.*\n/gm,
      '',
    );
  const clean = (dryRun: boolean) => {
    const { runner, readText } = world.managerOptions(NFT);
    return cleanupTraffic({
      networks: [parseIpPrefix('10.42.0.0/16'), parseIpPrefix('fc00:42::/48')],
      dryRun,
      runner,
      ...(readText && { readText }),
    });
  };

  it('lists all that is ours first, then removes that and nothing else', async () => {
    await world.script(
      ['iptables-nft -w', 'iptables-legacy -w']
        .flatMap((program) => [`${program} -P FORWARD DROP`, `${program} -A FORWARD -s 172.17.0.0/16 -j ACCEPT`])
        .join('\n'),
    );
    const other = desiredTraffic({
      ipv4: { network: parseIpPrefix('10.77.0.0/16'), subnet: parseIpPrefix('10.77.1.0/24') },
      ipv6: { network: parseIpPrefix('fc00:77::/48'), subnet: parseIpPrefix('fc00:77:0:1::/64') },
    });
    const policy = trafficPolicy();
    await withRunning(world.create({ choice: 'iptables', flavour: 'legacy', policy }), other, () => Promise.resolve());
    const foreign = await everything();
    await withRunning(world.create({ choice: 'iptables', flavour: 'legacy', policy }), desiredTraffic(), () =>
      Promise.resolve(),
    );
    await withRunning(world.create({ ...NFT, policy }), desiredTraffic(), () => Promise.resolve());
    const before = await everything();
    expect(before).not.toBe(foreign);

    // Where nobody knows any network, the rules themselves say it, in all places; looking changes nothing.
    const { runner, readText } = world.managerOptions(NFT);
    const discovery = await discoverTrafficNetworks({ runner, ...(readText && { readText }) });
    expect(discovery.networks.map(String).sort()).toEqual([
      '10.42.0.0/16',
      '10.77.0.0/16',
      'fc00:42::/48',
      'fc00:77::/48',
    ]);
    expect(discovery.failed).toEqual([]);

    const listed = await clean(true);
    expect(await everything()).toBe(before);
    expect(listed.map(({ tool }) => tool).sort()).toEqual([
      'iptables IPv4',
      'iptables-legacy IPv4',
      'nft IPv4',
      'nft IPv6',
    ]);
    expect(listed.find(({ tool }) => tool === 'nft IPv6')?.lines).toEqual(['delete table ip6 flannel-ipv6']);

    expect((await clean(false)).map(({ tool, error }) => [tool, error])).toEqual(
      listed.map(({ tool }) => [tool, undefined]),
    );
    expect(await everything()).toBe(foreign);
    expect(await clean(false)).toEqual([]);
  });
});

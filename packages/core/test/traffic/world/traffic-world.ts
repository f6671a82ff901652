import { join } from 'node:path';
import {
  createCommandRunner,
  createTrafficManager,
  systemClock,
  type CommandRunner,
  type TrafficManager,
  type TrafficManagerOptions,
} from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { PLACES, type Place, type TrafficFlow, type TrafficSubject } from '@tartan/conformance';
import { Lab, type Host, type LabProcess, type NetworkNamespace } from '@tartan/lab';
import { createNftGeneration, createRtNetlink } from '@tartan/netlink';
import { withFlavour, type HostFlavour } from './flavour';

/*
 * The world that the conformance suite asks for, made of a lab. It is built once per file; between tests only the node's packet filter is
 * emptied, of every kind.
 */

const PROGRAM = join(__dirname, '..', 'programs', 'report-datagrams');
const PORT = 7000;
/** One port for each mark, because a sender elsewhere cannot set a mark on the node. */
const MARKS = new Map([
  [0x4000, 7001],
  [0xc001, 7002],
  [0x8001, 7003],
]);
/**
 * A datagram is delivered by the time that its sender has ended, unless a neighbour has to be asked for first. So it is taken for lost when the
 * receiver reports datagrams that were sent from beside it later on, some time apart.
 */
const CONTROLS = 3;
const CONTROL_SPACING_MS = 25;

export interface WorldOptions {
  readonly choice: TrafficManagerOptions['choice'];
  /** Of the `iptables` that the manager finds, and that the host's other programs use. */
  readonly flavour: HostFlavour;
}

export class TrafficWorld {
  readonly logger = new MemoryLogger();
  private readonly receivers = new Map<Place, LabProcess>();
  private readonly releases: (() => void)[] = [];
  private sent = 0;

  private constructor(
    private readonly lab: Lab,
    private readonly places: ReadonlyMap<Place, NetworkNamespace>,
    readonly node: Host,
  ) {}

  static async create(): Promise<TrafficWorld> {
    const lab = await Lab.create({ underlayIpv6: 'fd50::/64' });
    const names = ['node', 'peer', 'third', 'outside'] as const;
    const hosts = await Promise.all(names.map((name) => lab.addHost({ name, ...addresses(name) })));
    const [node, peer, third, outside] = hosts as [Host, Host, Host, Host];
    const places = new Map<Place, NetworkNamespace>(names.map((name) => [name, lab.host(name)]));
    for (const [index, host] of [node, peer, third].entries()) {
      const subnet = { ipv4: `10.42.${index + 1}.1/24`, ipv6: `fc00:42:0:${index + 1}::1/64`, mtuBytes: 1500 };
      places.set((['pod', 'peerPod', 'thirdPod'] as const)[index] as Place, await host.addPod({ subnet }));
    }
    places.set('stranger', peer);
    await Promise.all(hosts.map((host) => quietRedirects(host)));
    await peer.ipBatch([`address add ${PLACES.stranger[4]}/32 dev lo`, `address add ${PLACES.stranger[6]}/128 dev lo`]);
    await Promise.all([
      route(node, { pods2: 'peer', pods3: 'third', strangers: 'peer' }),
      route(peer, { pods1: 'node', pods3: 'node' }),
      route(third, { pods1: 'node', pods2: 'node' }),
      route(outside, { pods: 'node', strangers: 'node' }),
    ]);
    const world = new TrafficWorld(lab, places, node);
    await world.listen();
    return world;
  }

  /** Runs programs on the node. */
  runner(flavour: HostFlavour): CommandRunner {
    return withFlavour(createCommandRunner({ prefix: this.node.commandPrefix }), flavour);
  }

  /** What a manager of the node is made from. */
  managerOptions({ choice, flavour }: WorldOptions): Omit<TrafficManagerOptions, 'policy'> {
    const netns = `/run/netns/${this.node.netns}`;
    const netlink = createRtNetlink({ netns });
    const generation = createNftGeneration({ netns });
    this.releases.push(
      () => netlink.close(),
      () => generation.close(),
    );
    return {
      choice,
      runner: this.runner(flavour),
      sysctls: netlink,
      generation,
      clock: systemClock,
      logger: this.logger,
      readText: (path) => this.read(path),
      resyncMs: 500,
    };
  }

  create(
    options: WorldOptions & Pick<TrafficManagerOptions, 'policy'> & Partial<TrafficManagerOptions>,
  ): TrafficManager {
    const { flavour, ...rest } = options;
    return createTrafficManager({ ...this.managerOptions({ choice: options.choice, flavour }), ...rest });
  }

  /** A shell script on the node; gives what it printed. */
  async script(text: string): Promise<string> {
    return (await this.node.run(['sh', '-e'], { input: text })).stdout;
  }

  async send({ from, to, family, mark }: TrafficFlow): Promise<string | null> {
    const token = `d${(this.sent += 1)}`;
    const port = mark === undefined ? PORT : MARKS.get(mark);
    if (port === undefined) throw new Error(`no port for mark ${String(mark)}`);
    const receiver = this.receivers.get(to) as LabProcess;
    await this.place(from).run(['bash', '-c', `printf ${token} > /dev/udp/${PLACES[to][family]}/${port}`]);
    const source = (): string | undefined => receiver.lines.find((one) => one.startsWith(`${token} `))?.split(' ')[1];
    for (let control = 1; control <= CONTROLS && source() === undefined; control++) {
      if (control > 1) await systemClock.sleep(CONTROL_SPACING_MS);
      await this.control(to, `${token}c${control}`);
    }
    return source() ?? null;
  }

  /** A datagram that certainly arrives. */
  private async control(to: Place, token: string): Promise<void> {
    await this.place(to).run(['bash', '-c', `printf ${token} > /dev/udp/127.0.0.1/${PORT}`]);
    await (this.receivers.get(to) as LabProcess).waitForLine(new RegExp(`^${token} `));
  }

  /** The packet filter of the node as after a boot, but for the marks. */
  async reset(): Promise<void> {
    for (const release of this.releases.splice(0)) release();
    await this.flush();
    const marks = [...MARKS].map(([mark, port]) => `udp dport ${port} meta mark set ${mark}`);
    await this.node.nft(
      `table inet marks {\n chain pre {\n type filter hook prerouting priority mangle;\n${marks.join('\n')}\n }\n}\n`,
    );
  }

  async flush(): Promise<void> {
    // Only tables that are in use: merely asking for another one would bring it into use.
    const legacy = [
      ['iptables-legacy', '/proc/net/ip_tables_names'],
      ['ip6tables-legacy', '/proc/net/ip6_tables_names'],
    ].flatMap(([program = '', names = '']) =>
      ['nat', 'filter'].map((table) => {
        const run = `${program} -w -t ${table}`;
        const accept = table === 'filter' ? `; ${run} -P FORWARD ACCEPT` : '';
        return `if grep -qsx ${table} ${names}; then ${run} -F; ${run} -X${accept}; fi`;
      }),
    );
    await this.script(['nft flush ruleset', ...legacy].join('\n'));
  }

  subject(options: WorldOptions): TrafficSubject {
    const programs = ['iptables', 'ip6tables'].map((program) => `${program}-${options.flavour} -w`);
    const rule = { policy: '-P FORWARD DROP', 'last-rule': '-A FORWARD -j DROP' };
    return {
      create: (more) => this.create({ ...options, ...more }),
      send: (flow) => this.send(flow),
      blockForwarding: async (how) => {
        await this.script(programs.map((program) => `${program} ${rule[how]}`).join('\n'));
      },
      flushRules: () => this.flush(),
      close: () => this.reset(),
    };
  }

  async destroy(): Promise<void> {
    for (const release of this.releases.splice(0)) release();
    await this.lab.destroy();
  }

  private async listen(): Promise<void> {
    const ports = [PORT, ...MARKS.values()].map(String);
    for (const [place, namespace] of this.places) {
      const running = place === 'stranger' ? this.receivers.get('peer') : undefined;
      const started =
        running ?? (await namespace.start({ name: 'report', argv: [PROGRAM, ...ports], stdout: 'lines' }));
      await started.waitForLine(/^ready$/);
      this.receivers.set(place, started);
    }
  }

  private place(name: Place): NetworkNamespace {
    return this.places.get(name) as NetworkNamespace;
  }

  private async read(path: string): Promise<string | undefined> {
    const { exitCode, stdout } = await this.node.run(['cat', path], { allowFailure: true });
    return exitCode === 0 ? stdout : undefined;
  }
}

function addresses(name: 'node' | 'peer' | 'third' | 'outside'): { ipv4: string; ipv6: string } {
  return { ipv4: `${PLACES[name][4]}/24`, ipv6: `${PLACES[name][6]}/64` };
}

/** The node sends packets back out of the interface that they came in by, and would tell the sender a shorter way. */
function quietRedirects(host: Host): Promise<void> {
  return host.sysctl({
    'net.ipv4.conf.all.send_redirects': 0,
    'net.ipv4.conf.eth0.send_redirects': 0,
    'net.ipv4.conf.all.accept_redirects': 0,
    'net.ipv6.conf.all.accept_redirects': 0,
    'net.ipv6.conf.eth0.accept_redirects': 0,
  });
}

const DESTINATIONS = {
  pods: ['10.42.0.0/16', 'fc00:42::/48'],
  pods1: ['10.42.1.0/24', 'fc00:42:0:1::/64'],
  pods2: ['10.42.2.0/24', 'fc00:42:0:2::/64'],
  pods3: ['10.42.3.0/24', 'fc00:42:0:3::/64'],
  strangers: ['203.0.113.0/24', '2001:db8:ff::/64'],
} as const;

function route(host: Host, ways: Partial<Record<keyof typeof DESTINATIONS, Place>>): Promise<void> {
  const lines = Object.entries(ways).flatMap(([name, via]) => {
    const [ipv4, ipv6] = DESTINATIONS[name as keyof typeof DESTINATIONS];
    return [`route add ${ipv4} via ${PLACES[via][4]}`, `route add ${ipv6} via ${PLACES[via][6]}`];
  });
  return host.ipBatch(lines);
}

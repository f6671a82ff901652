import type { Host, HostInterface } from './host';
import { LabError } from './lab-error';
import type { NetworkNamespace } from './network-namespace';

/** Something broken on purpose. */
export interface Fault {
  /** Repairs it. Idempotent. */
  heal(): Promise<void>;
}

/** Packets to disturb: an nft match such as `udp dport 7000` or `ip daddr 10.42.0.0/16 icmp type echo-request`. */
export interface DropOptions {
  readonly match: string;
  /** Where the packets are looked at; default `input`. */
  readonly hook?: 'input' | 'output' | 'forward' | 'prerouting';
  /** Drop one packet of so many, counted exactly; default 1, every packet. */
  readonly oneIn?: number;
  /** Drop so many in a row once, then no more; cannot be had together with `oneIn`. */
  readonly first?: number;
}

export interface DropFault extends Fault {
  /** Packets dropped so far, as the kernel counted. */
  dropped(): Promise<number>;
}

export interface BlockTcpOptions {
  /** Port of the server. */
  readonly port: number;
  /** Address of the server; default any. */
  readonly address?: string;
  /** `drop`: silence, as a broken network. `reset`: refused at once, as a stopped server. Default `drop`. */
  readonly how?: 'drop' | 'reset';
}

const HOOK = 'type filter hook';
/** Before everything that a host may have of its own: raw is at -300, conntrack at -200 (man 8 nft). */
const PRIORITY = 'priority -350';

let tableCount = 0;

/** What can go wrong, to be done to hosts and namespaces. Each one acts at once and resolves when it is in force. */
export const faults = {
  /** Cuts a host off without the host noticing: links stay up, frames go nowhere. */
  async partition(host: Host, card: HostInterface = host.uplink): Promise<Fault> {
    await card.switch.isolate(card.port);
    return once(() => card.switch.rejoin(card.port));
  },

  /** The cable is out: the host sees no carrier. Routes stay, marked linkdown. */
  async unplug(host: Host, card: HostInterface = host.uplink): Promise<Fault> {
    await card.switch.ip(`link set ${card.port} down`);
    return once(async () => {
      await card.switch.ip(`link set ${card.port} up`);
    });
  },

  /** `ip link set down`: the kernel drops the routes over it, and its IPv6 addresses. Healing gives addresses back, not routes. */
  async linkDown(host: Host, card: HostInterface = host.uplink): Promise<Fault> {
    await host.ip(`link set ${card.ifname} down`);
    return once(() => host.restoreAddresses(card));
  },

  /** Down and up again at once. */
  async flapLink(host: Host, card: HostInterface = host.uplink): Promise<void> {
    await (await faults.linkDown(host, card)).heal();
  },

  /** The interface is gone and comes back under another index. */
  async replaceInterface(host: Host, card: HostInterface = host.uplink): Promise<void> {
    await host.replaceInterface(card);
  },

  /** Takes a route away, as `ip route del` would: `10.42.3.0/24`, or with more words to tell which. */
  async deleteRoute(inside: NetworkNamespace, route: string): Promise<void> {
    await inside.ip(route.includes(':') ? '-6' : '-4', `route del ${route}`);
  },

  async deleteLink(inside: NetworkNamespace, ifname: string): Promise<void> {
    await inside.ip(`link delete ${ifname}`);
  },

  /** Drops chosen packets and counts them. */
  async drop(inside: NetworkNamespace, options: DropOptions): Promise<DropFault> {
    const { match, hook = 'input' } = options;
    const table = await addTable(inside, `${HOOK} ${hook} ${PRIORITY}`, [`${match} ${choice(options)} counter drop`]);
    return { ...removal(inside, table), dropped: () => countOf(inside, table) };
  },

  /** Nothing gets through between this namespace and a TCP port, in either direction, for open connections too. */
  async blockTcp(inside: NetworkNamespace, options: BlockTcpOptions): Promise<Fault> {
    const { port, address, how = 'drop' } = options;
    const ip = address?.includes(':') ? 'ip6' : 'ip';
    const [to, from] = address === undefined ? ['', ''] : [`${ip} daddr ${address} `, `${ip} saddr ${address} `];
    const verdict = how === 'drop' ? 'drop' : 'reject with tcp reset';
    const tables = [await addTable(inside, `${HOOK} output ${PRIORITY}`, [`${to}tcp dport ${port} ${verdict}`])];
    // Not with resets: those that the kernel makes up come in as if from the server.
    if (how === 'drop') {
      tables.push(await addTable(inside, `${HOOK} input ${PRIORITY}`, [`${from}tcp sport ${port} drop`]));
    }
    return once(async () => {
      for (const table of tables) await removal(inside, table).heal();
    });
  },
} as const;

function choice({ oneIn = 1, first }: DropOptions): string {
  if (first !== undefined && oneIn !== 1) throw new LabError('drop takes oneIn or first, not both');
  // numgen inc counts matching packets from 0; its modulus is 32 bits wide (man 8 nft).
  if (first !== undefined) return `numgen inc mod 4000000000 < ${first}`;
  return oneIn === 1 ? '' : `numgen inc mod ${oneIn} == 0`;
}

async function addTable(inside: NetworkNamespace, chain: string, rules: readonly string[]): Promise<string> {
  tableCount += 1;
  const table = `lab_fault_${tableCount}`;
  await inside.nft(`table inet ${table} {\n chain c {\n ${chain}; policy accept;\n ${rules.join('\n')}\n }\n}\n`);
  return table;
}

function removal(inside: NetworkNamespace, table: string): Fault {
  return once(async () => {
    await inside.nft(`delete table inet ${table}\n`);
  });
}

async function countOf(inside: NetworkNamespace, table: string): Promise<number> {
  const { stdout } = await inside.run(['nft', 'list', 'table', 'inet', table]);
  return Number(/counter packets (\d+)/.exec(stdout)?.[1] ?? 0);
}

function once(heal: () => Promise<void>): Fault {
  let healing: Promise<void> | undefined;
  return { heal: () => (healing ??= heal()) };
}

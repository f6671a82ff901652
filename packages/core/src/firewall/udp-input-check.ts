import { isTartanError } from '../errors';
import type { IpFamily } from '../ip';
import type { Finding } from '../reconcile';
import { systemClock, type Clock } from '../runtime';
import type { CommandRunner } from '../traffic/command/command-runner';
import { readSystemText, registeredTables, type ReadText } from '../traffic/iptables/registered-tables';
import type { JsonObject } from '../traffic/nftables/nft-json';
import type { NftGeneration } from '../traffic/nftables/nft-generation';
import { nftFinding, xtFinding } from './filtered-finding';
import { baseChains, nftChainsFor, nftObjects, type BaseChain } from './nft-ruleset';
import { walkBaseChain } from './packet-walk';
import type { UdpPacket } from './udp-packet';
import { readXtRuleset } from './xt-ruleset';

/*
 * Would this host's own firewall drop the packets that peers send us? A backend whose packets are UDP of the host is deaf then, while
 * everything else looks right. The rules are read, never changed, and one packet is taken through them on paper (packet-walk.ts).
 *
 * nft shows all of nftables, where firewalld and today's iptables and ufw keep their rules too; what iptables wrote there is read
 * in its own words, for it has modules of its own. Rules of the legacy iptables are read where its tables are in use. Without nft, iptables-save
 * is all there is. Not seen are programs attached by eBPF, and firewalls outside of this host.
 *
 * Cost: one process that lists chains and one per table with a chain for incoming packets; on later calls none while the generation
 * number of nftables is the same, and never more often than every half minute.
 */

/** How the host's rules are reached; a backend gets it with its context. */
export interface FirewallAccess {
  readonly runner: CommandRunner;
  /** Tells whether nftables changed; without it the rules are read again whenever the last reading is old. */
  readonly generation?: Pick<NftGeneration, 'read'>;
  readonly readText?: ReadText;
  readonly clock?: Clock;
}

export interface UdpInputCheck {
  /**
   * A finding (UDP_PORT_FILTERED) for each firewall that drops one of `packets`, none where nothing can be read. Rejects only when
   * aborted. One call at a time.
   */
  inspect(packets: readonly UdpPacket[], signal?: AbortSignal): Promise<Finding[]>;
}

export function createUdpInputCheck(access: FirewallAccess): UdpInputCheck {
  return new RulesetCheck(access);
}

/** Milliseconds for which a reading is good whatever happens. */
const FRESH_MS = 30_000;

interface Table {
  readonly objects: readonly JsonObject[];
  readonly chains: readonly BaseChain[];
}

/** What one program printed of iptables' filter table. */
interface XtText {
  readonly family: IpFamily;
  /** The iptables to type a cure with. */
  readonly program: string;
  readonly text: string;
}

interface Reading {
  readonly at: number;
  readonly generation: number | undefined;
  readonly tables: readonly Table[];
  readonly iptables: readonly XtText[];
}

interface ReadRequest {
  readonly families: readonly IpFamily[];
  /** Those whose legacy tables are in use. */
  readonly legacy: readonly IpFamily[];
  readonly signal: AbortSignal | undefined;
}

class RulesetCheck implements UdpInputCheck {
  private readonly clock: Clock;
  private readonly readText: ReadText;
  private reading: Reading | undefined;
  /** How often a program that is installed gave no answer. */
  private gaps = 0;

  constructor(private readonly access: FirewallAccess) {
    this.clock = access.clock ?? systemClock;
    this.readText = access.readText ?? readSystemText;
  }

  async inspect(packets: readonly UdpPacket[], signal?: AbortSignal): Promise<Finding[]> {
    const families = [...new Set(packets.map(({ family }) => family))];
    const { tables, iptables } = await this.current(families, signal);
    const findings = packets.flatMap((packet) => [
      ...tables.flatMap((table) => judgeTable(packet, table)),
      ...iptables.flatMap((text) => judgeIptables(packet, text)),
    ]);
    return [...new Map(findings.map((one) => [`${one.subject} ${one.cure ?? ''}`, one])).values()];
  }

  private async current(families: readonly IpFamily[], signal: AbortSignal | undefined): Promise<Reading> {
    const last = this.reading;
    const at = this.clock.monotonic();
    if (last && at - last.at < FRESH_MS) return last;
    const generation = await this.access.generation?.read().catch(() => undefined);
    const legacy = await this.legacyFamilies(families);
    // Legacy tables have no such number, so what is in them is read each time.
    const same = last && generation !== undefined && generation === last.generation && legacy.length === 0;
    this.reading = same ? { ...last, at } : await this.readAnew({ at, generation }, { families, legacy, signal });
    return this.reading;
  }

  private async readAnew(
    { at, generation }: Pick<Reading, 'at' | 'generation'>,
    { families, legacy, signal }: ReadRequest,
  ): Promise<Reading> {
    const gapsBefore = this.gaps;
    const listing = await this.list(['chains'], signal);
    const parts = await Promise.all([
      ...(listing === undefined
        ? families.map((family) => this.save(family, ['-nft'], signal))
        : groupByTable(baseChains(listing)).map((chains) => this.readTable(chains, signal))),
      ...legacy.map((family) => this.save(family, ['-legacy', ''], signal)),
    ]);
    const read = parts.filter((part) => part !== undefined);
    return {
      at,
      // What has a gap is read again, whether the rules change or not.
      generation: this.gaps === gapsBefore ? generation : undefined,
      tables: read.filter((part) => 'objects' in part),
      iptables: read.filter((part) => 'text' in part),
    };
  }

  /** `chains` are base chains of one table. Where iptables keeps its own, it is asked first: nft does not know its modules. */
  private async readTable(
    chains: readonly BaseChain[],
    signal: AbortSignal | undefined,
  ): Promise<Table | XtText | undefined> {
    const [first] = chains;
    if (!first) return undefined;
    const saved = isIptables(chains) ? await this.save(first.family === 'ip' ? 4 : 6, ['-nft'], signal) : undefined;
    if (saved) return saved;
    const objects = await this.list(['table', first.family, first.table], signal);
    return objects && { objects, chains };
  }

  private async list(what: readonly string[], signal: AbortSignal | undefined): Promise<JsonObject[] | undefined> {
    const text = await this.run('nft', ['--stateless', '--json', 'list', ...what], signal);
    return text === undefined ? undefined : nftObjects(text);
  }

  private async legacyFamilies(families: readonly IpFamily[]): Promise<IpFamily[]> {
    const tables = await Promise.all(families.map((family) => registeredTables(this.readText, family)));
    return families.filter((_, position) => tables[position]?.includes('filter'));
  }

  /** The first of these flavours that is installed. */
  private async save(
    family: IpFamily,
    suffixes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<XtText | undefined> {
    for (const suffix of suffixes) {
      const program = `${family === 4 ? 'iptables' : 'ip6tables'}${suffix}`;
      const text = await this.run(`${program}-save`, ['-t', 'filter'], signal);
      // Plain `iptables` may be of the other flavour.
      if (text !== undefined && (suffix !== '' || !text.includes('(nf_tables)'))) return { family, program, text };
    }
    return undefined;
  }

  /** What the program printed; undefined when it is missing or fails, in whatever way. */
  private async run(program: string, args: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    try {
      const { exitCode, stdout } = await this.access.runner.run({ program, args }, signal);
      return exitCode === 0 ? stdout : undefined;
    } catch (error) {
      if (signal?.aborted || !isTartanError(error)) throw error;
      if (error.code !== 'TRAFFIC_TOOL_MISSING') this.gaps++;
      return undefined;
    }
  }
}

function groupByTable(chains: readonly BaseChain[]): BaseChain[][] {
  const tables = new Map<string, BaseChain[]>();
  for (const chain of chains) {
    const key = `${chain.family} ${chain.table}`;
    tables.set(key, [...(tables.get(key) ?? []), chain]);
  }
  return [...tables.values()];
}

/** Where iptables of the nf_tables flavour keeps its filter table. */
function isIptables(chains: readonly BaseChain[]): boolean {
  return chains.some(({ family, table, name }) => family !== 'inet' && table === 'filter' && name === 'INPUT');
}

function judgeTable(packet: UdpPacket, { objects, chains }: Table): Finding[] {
  const concerned = chains.filter(({ family }) => family === 'inet' || family === (packet.family === 4 ? 'ip' : 'ip6'));
  if (concerned.length === 0) return [];
  const rules = nftChainsFor(packet, objects);
  return concerned.flatMap((chain) => {
    const fate = walkBaseChain(rules, chain.name, chain.policy);
    return fate.end === 'drop' ? [nftFinding(packet, chain, fate)] : [];
  });
}

function judgeIptables(packet: UdpPacket, { family, program, text }: XtText): Finding[] {
  const ruleset = family === packet.family ? readXtRuleset(packet, text) : undefined;
  if (!ruleset) return [];
  const fate = walkBaseChain(ruleset.chains, 'INPUT', ruleset.policy);
  return fate.end === 'drop' ? [xtFinding(packet, program, fate)] : [];
}

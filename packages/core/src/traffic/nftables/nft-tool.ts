import { isTartanError } from '../../errors';
import type { IpFamily, IpPrefix } from '../../ip';
import type { CommandOutcome, CommandRunner } from '../command/command-runner';
import { toolFailure } from '../tool-failure';
import { isAtLeast } from '../tool-version';
import { isObject } from './nft-json';
import { readNftListing, type NftTableState } from './nft-listing';
import { nftFamily, nftTable } from './nft-names';
import type { NftCapabilities } from './nft-script';

const PROGRAM = 'nft';
const MIN_VERSION = [1, 0, 1] as const;

export type NftDetection =
  | { readonly usable: true; readonly version: string; readonly capabilities: NftCapabilities }
  /** `listable`: what there is can be read, and so be removed. */
  | { readonly usable: false; readonly reason: string; readonly listable: boolean };

/** The nft program. Every call is one process; nothing is remembered between calls. */
export class NftTool {
  constructor(private readonly runner: CommandRunner) {}

  /** Whether nft and the kernel can do masquerading, and in which forms. Changes nothing. Rejects only when aborted. */
  async detect(family: IpFamily, signal?: AbortSignal): Promise<NftDetection> {
    let listable = false;
    try {
      const version = await this.version(signal);
      listable = true;
      if (!isAtLeast(version, MIN_VERSION)) {
        return { usable: false, listable, reason: `nft ${version} is older than ${MIN_VERSION.join('.')}` };
      }
      return { usable: true, version, capabilities: await this.probe(family, signal) };
    } catch (error) {
      if (!isTartanError(error)) throw error;
      return { usable: false, listable, reason: error.message };
    }
  }

  /** Our table; null when there is none. Rejects with TRAFFIC_TOOL_*. */
  async readTable(
    family: IpFamily,
    networks: readonly IpPrefix[],
    signal?: AbortSignal,
  ): Promise<NftTableState | null> {
    const words = ['list', 'table', nftFamily[family], nftTable(family).name];
    const outcome = await this.run(['--stateless', '--json', ...words], '', signal);
    if (outcome.exitCode === 0) return readNftListing(outcome.stdout, family, networks);
    if (await this.hasTable(family, signal)) throw toolFailure(PROGRAM, outcome);
    return null;
  }

  /** One transaction. Rejects with TRAFFIC_TOOL_*; then nothing has changed. */
  async apply(script: string, signal?: AbortSignal): Promise<void> {
    const outcome = await this.run(['--file', '-'], script, signal);
    if (outcome.exitCode !== 0) throw toolFailure(PROGRAM, outcome);
  }

  /** Any listing, as text or parsed from JSON by the caller; undefined when nft refuses, for instance because it is not there. */
  async list(args: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    const { exitCode, stdout } = await this.run(['--stateless', ...args], '', signal);
    return exitCode === 0 ? stdout : undefined;
  }

  /** The best form that is taken; when none is, it rejects with what nft says to the plainest. */
  private async probe(family: IpFamily, signal?: AbortSignal): Promise<NftCapabilities> {
    let last: CommandOutcome | undefined;
    for (const capabilities of forms) {
      last = await this.run(['--check', '--file', '-'], probeScript(family, capabilities), signal);
      if (last.exitCode === 0) return capabilities;
    }
    throw toolFailure(PROGRAM, last as CommandOutcome);
  }

  private async version(signal?: AbortSignal): Promise<string> {
    for (const { metainfo } of await this.tables(signal)) {
      if (isObject(metainfo) && typeof metainfo['version'] === 'string') return metainfo['version'];
    }
    return '0';
  }

  private async hasTable(family: IpFamily, signal?: AbortSignal): Promise<boolean> {
    const { name } = nftTable(family);
    const tables = await this.tables(signal);
    return tables.some(
      ({ table }) => isObject(table) && table['family'] === nftFamily[family] && table['name'] === name,
    );
  }

  private async tables(signal?: AbortSignal): Promise<Readonly<Record<string, unknown>>[]> {
    const outcome = await this.run(['--json', 'list', 'tables'], '', signal);
    if (outcome.exitCode !== 0) throw toolFailure(PROGRAM, outcome);
    const { nftables = [] } = JSON.parse(outcome.stdout) as { readonly nftables?: readonly unknown[] };
    return nftables.filter(isObject);
  }

  private run(args: readonly string[], input: string, signal?: AbortSignal): Promise<CommandOutcome> {
    return this.runner.run({ program: PROGRAM, args, input }, signal);
  }
}

/** Best first. The kernel has `fully-random` since 3.13 and comments on tables since 5.10; nft must know them too. */
const forms: readonly NftCapabilities[] = [
  { fullyRandom: true, comments: true },
  { fullyRandom: true, comments: false },
  { fullyRandom: false, comments: true },
  { fullyRandom: false, comments: false },
];

/** A transaction that nft only checks: the kernel goes through it and takes it back. */
function probeScript(family: IpFamily, { fullyRandom, comments }: NftCapabilities): string {
  const table = `${nftFamily[family]} tartan-probe`;
  const comment = comments ? ' comment "probe";' : '';
  return [
    `add table ${table}${comments ? ` {${comment} }` : ''}`,
    `add chain ${table} postrtg { type nat hook postrouting priority 100; policy accept;${comment} }`,
    `add rule ${table} postrtg counter masquerade${fullyRandom ? ' fully-random' : ''} comment "probe"`,
    '',
  ].join('\n');
}

import type { IpFamily } from '../../ip';
import { addressOf, toPrefixes } from '../rules/address-ranges';
import type { ChainRole, TrafficRule } from '../rules/traffic-rule';
import type { AddressMatch } from '../rules/traffic-rule';
import { nftChains, nftFamily, nftTable } from './nft-names';

/** What this host's nft and kernel take. */
export interface NftCapabilities {
  readonly fullyRandom: boolean;
  /** Comments on tables and chains. */
  readonly comments: boolean;
}

/** Lines for `nft -f`, all for the tables of one family. A script is one transaction: all of it comes true, or nothing. */
export class NftScript {
  readonly lines: string[] = [];
  private readonly table: string;

  constructor(
    private readonly family: IpFamily,
    private readonly capabilities: NftCapabilities,
  ) {
    this.table = `${nftFamily[family]} ${nftTable(family).name}`;
  }

  get text(): string {
    return this.lines.map((line) => `${line}\n`).join('');
  }

  addTable(): void {
    this.lines.push(`add table ${this.table}${this.comment(nftTable(this.family).comment, ' { ', ' }')}`);
  }

  addChain(role: ChainRole): void {
    const { type, hook, priority, comment } = nftChains[role];
    const definition = `type ${type} hook ${hook} priority ${priority}; policy accept;`;
    this.lines.push(`add chain ${this.chain(role)} { ${definition}${this.comment(comment, ' ', '')} }`);
  }

  flushChain(role: ChainRole): void {
    this.lines.push(`flush chain ${this.chain(role)}`);
  }

  deleteChain(role: ChainRole): void {
    this.lines.push(`delete chain ${this.chain(role)}`);
  }

  deleteTable(): void {
    this.lines.push(`delete table ${this.table}`);
  }

  addRule(role: ChainRole, rule: TrafficRule): void {
    this.lines.push(`add rule ${this.chain(role)} ${this.rule(rule)}`);
  }

  /** Before all others. */
  insertRule(role: ChainRole, rule: TrafficRule): void {
    this.lines.push(`insert rule ${this.chain(role)} ${this.rule(rule)}`);
  }

  deleteRule(role: ChainRole, handle: number): void {
    this.lines.push(`delete rule ${this.chain(role)} handle ${handle}`);
  }

  private chain(role: ChainRole): string {
    return `${this.table} ${nftChains[role].name}`;
  }

  private rule({ src, dst, mark, verdict, fullyRandom = false, purpose }: TrafficRule): string {
    const protocol = nftFamily[this.family];
    const random = fullyRandom && this.capabilities.fullyRandom ? ' fully-random' : '';
    return [
      ...(mark ? [`meta mark & ${hex(mark.mask)} == ${hex(mark.value)}`] : []),
      ...(src ? [`${protocol} saddr ${this.match(src)}`] : []),
      ...(dst ? [`${protocol} daddr ${this.match(dst)}`] : []),
      'counter',
      verdict === 'masquerade' ? `masquerade${random}` : verdict,
      ...(purpose === undefined ? [] : [`comment "${purpose}"`]),
    ].join(' ');
  }

  private match({ not, ranges }: AddressMatch): string {
    const elements = toPrefixes(this.family, ranges).map((prefix) => {
      const isHost = prefix.length === (this.family === 4 ? 32 : 128);
      return isHost ? addressOf(this.family, BigInt(prefix.address.value)).toString() : prefix.toString();
    });
    const text = elements.length === 1 ? elements[0] : `{ ${elements.join(', ')} }`;
    return `${not ? '!= ' : ''}${text ?? ''}`;
  }

  private comment(text: string, before: string, after: string): string {
    return this.capabilities.comments ? `${before}comment "${text}";${after}` : '';
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

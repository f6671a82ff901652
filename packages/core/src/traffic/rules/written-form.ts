import type { IpFamily } from '../../ip';
import type { ListedRule } from './compare-chain';
import { ruleKey, type ChainRole, type TrafficRule } from './traffic-rule';

/**
 * A tool of another version may list what we wrote in words that we do not understand. Taking that for damage would rewrite the rules on
 * every pass for ever. So what the tool lists right after a write of ours counts as the right form, if it has as many rules as were
 * written; any later difference is then damage again. Forms that are understood never need this.
 */
export class WrittenForm<Ref> {
  private written: string | undefined;
  private form: string | undefined;

  constructor(private readonly textOf: (ref: Ref) => string) {}

  wrote(desired: readonly TrafficRule[]): void {
    this.written = desired.map(ruleKey).join('\n');
    this.form = undefined;
  }

  accepts(listed: readonly ListedRule<Ref>[] | null, desired: readonly TrafficRule[]): boolean {
    const ours = (listed ?? []).filter(({ owner }) => owner !== 'foreign');
    if (ours.length !== desired.length || ours.every(({ key }) => key !== null)) return false;
    if (this.written !== desired.map(ruleKey).join('\n')) return false;
    const form = ours.map(({ ref }) => this.textOf(ref)).join('\n');
    this.form ??= form;
    return this.form === form;
  }
}

/** One for each chain. */
export class WrittenForms<Ref> {
  private readonly forms = new Map<string, WrittenForm<Ref>>();

  constructor(private readonly textOf: (ref: Ref) => string) {}

  of(family: IpFamily, role: ChainRole): WrittenForm<Ref> {
    const key = `${family} ${role}`;
    let form = this.forms.get(key);
    if (!form) this.forms.set(key, (form = new WrittenForm(this.textOf)));
    return form;
  }
}

import type { IpFamily, IpPrefix } from '../../ip';
import type { RuleChange, RuleDriver, WantedRules } from '../rule-driver';
import { networksSpokenOf } from '../rules/ownership';
import { chainRoles, type ChainRole, type TrafficRule } from '../rules/traffic-rule';
import { WrittenForms } from '../rules/written-form';
import { registeredTables, type ReadText } from './registered-tables';
import { desiredXtRules, listedXtRules, planXtChange, type XtCapabilities } from './xt-change';
import type { XtState } from './xt-listing';
import { xtPlaces } from './xt-names';
import { blocksForwarding } from './xt-obstacles';
import type { XtRule } from './xt-rule';
import type { XtTool } from './xt-tool';
import { isModern } from './xt-variant';

/*
 * Rules through one flavour of iptables. A look is one process per family, a change one more. There is no moment without the old or the new
 * rules, because iptables-restore swaps a table whole; and none with two jumps, because the jump moves in the same swap.
 */

export interface IptablesRulesOptions {
  readonly tool: XtTool;
  readonly readText: ReadText;
  /**
   * `when-blocked` writes forward rules only where FORWARD would stop our traffic: beside nftables, whose own accept cannot overrule a DROP
   * of iptables.
   */
  readonly forward: 'always' | 'when-blocked';
}

const nothing: RuleChange = { roles: [], input: '' };

export class IptablesRules implements RuleDriver {
  private readonly forms = new WrittenForms<XtRule>(({ spec }) => spec);
  private readonly capabilities: XtCapabilities;
  private readonly seen = new Map<IpFamily, XtState>();

  constructor(private readonly options: IptablesRulesOptions) {
    this.capabilities = { fullyRandom: isModern(options.tool.variant) };
  }

  async plan(wanted: WantedRules, networks: readonly IpPrefix[], signal?: AbortSignal): Promise<RuleChange> {
    const { family } = wanted;
    const roles = await this.rolesToRead(wanted);
    const state = roles.length === 0 ? {} : await this.options.tool.read(family, roles, signal);
    this.seen.set(family, state);
    if (roles.length === 0) return nothing;
    const needed = this.needed(state, wanted, networks);
    const accepted = (role: ChainRole): boolean => this.accepts(state, needed, networks, role);
    return planXtChange({ state, wanted: needed, networks, capabilities: this.capabilities, accepted });
  }

  async apply(wanted: WantedRules, { roles, input }: RuleChange, signal?: AbortSignal): Promise<void> {
    await this.options.tool.restore(wanted.family, input, signal);
    for (const role of roles) this.forms.of(wanted.family, role).wrote(this.desired(wanted, role));
  }

  async networks(family: IpFamily, signal?: AbortSignal): Promise<IpPrefix[]> {
    const roles = await this.rolesToRead({ family, rules: { masquerade: [], forward: [] } });
    const state = roles.length === 0 ? {} : await this.options.tool.read(family, roles, signal);
    const rules = roles.flatMap((role) => [
      ...(state[role]?.chain ?? []),
      // flannel before 0.20 had no chains.
      ...(state[role]?.builtin ?? []).filter(({ comment }) => comment === xtPlaces[role].comment),
    ]);
    return networksSpokenOf(
      family,
      rules.map(({ shape }) => shape),
    );
  }

  /** As of the last look; for findings. */
  lastState(family: IpFamily): XtState | undefined {
    return this.seen.get(family);
  }

  /** Where no rules are wanted only tables that are in use anyway are looked into. */
  private async rolesToRead({ family, rules }: WantedRules): Promise<ChainRole[]> {
    const { tool, readText, forward } = this.options;
    if (tool.variant.flavour === 'nf_tables') return [...chainRoles];
    const registered = await registeredTables(readText, family);
    return chainRoles.filter((role) => {
      const optional = rules[role].length === 0 || (role === 'forward' && forward === 'when-blocked');
      return !optional || registered.includes(xtPlaces[role].table);
    });
  }

  private needed({ forward }: XtState, wanted: WantedRules, networks: readonly IpPrefix[]): WantedRules {
    if (this.options.forward === 'always' || (forward && blocksForwarding(forward, networks))) return wanted;
    return { ...wanted, rules: { ...wanted.rules, forward: [] } };
  }

  private accepts(state: XtState, wanted: WantedRules, networks: readonly IpPrefix[], role: ChainRole): boolean {
    const listed = listedXtRules(state[role]?.chain ?? null, networks);
    return this.forms.of(wanted.family, role).accepts(listed, this.desired(wanted, role));
  }

  private desired({ rules }: WantedRules, role: ChainRole): TrafficRule[] {
    return desiredXtRules(rules[role], this.capabilities);
  }
}

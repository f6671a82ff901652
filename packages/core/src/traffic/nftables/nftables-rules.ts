import type { IpFamily, IpPrefix } from '../../ip';
import type { RuleChange, RuleDriver, WantedRules } from '../rule-driver';
import { networksSpokenOf } from '../rules/ownership';
import { chainRoles, type ChainRole, type TrafficRule } from '../rules/traffic-rule';
import { WrittenForms } from '../rules/written-form';
import { capable, planNftChange } from './nft-change';
import type { NftRuleRef, NftTableState } from './nft-listing';
import type { NftCapabilities } from './nft-script';
import type { NftTool } from './nft-tool';

/*
 * Rules through nft. A look is one process per family, and so is a change. Each family has its own table, and the two are never in one
 * transaction: trouble with one must not stop the other.
 */

export class NftablesRules implements RuleDriver {
  private readonly forms = new WrittenForms<NftRuleRef>(({ text }) => text);

  constructor(
    private readonly tool: NftTool,
    private readonly capabilities: NftCapabilities,
  ) {}

  async plan(wanted: WantedRules, networks: readonly IpPrefix[], signal?: AbortSignal): Promise<RuleChange> {
    const state = await this.tool.readTable(wanted.family, networks, signal);
    const accepted = (role: ChainRole): boolean => this.accepts(state, wanted, role);
    return planNftChange(state, wanted, this.capabilities, accepted);
  }

  async apply(wanted: WantedRules, { roles, input }: RuleChange, signal?: AbortSignal): Promise<void> {
    await this.tool.apply(input, signal);
    for (const role of roles) this.forms.of(wanted.family, role).wrote(this.desired(wanted, role));
  }

  async networks(family: IpFamily, signal?: AbortSignal): Promise<IpPrefix[]> {
    const state = await this.tool.readTable(family, [], signal);
    const rules = chainRoles.flatMap((role) => state?.chains[role]?.rules ?? []);
    return networksSpokenOf(
      family,
      rules.map(({ ref }) => ref.shape),
    );
  }

  private accepts(state: NftTableState | null, wanted: WantedRules, role: ChainRole): boolean {
    const chain = state?.chains[role];
    if (chain?.asDefined !== true) return false;
    return this.forms.of(wanted.family, role).accepts(chain.rules, this.desired(wanted, role));
  }

  private desired({ rules }: WantedRules, role: ChainRole): TrafficRule[] {
    return capable(rules[role], this.capabilities);
  }
}

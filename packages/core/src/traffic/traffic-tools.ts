import type { IpFamily } from '../ip';
import type { CommandRunner } from './command/command-runner';
import { IptablesRules } from './iptables/iptables-rules';
import type { ReadText } from './iptables/registered-tables';
import { XtTool } from './iptables/xt-tool';
import { detectXtVariants, type XtVariant } from './iptables/xt-variant';
import { NftTool, type NftDetection } from './nftables/nft-tool';
import { NftablesRules } from './nftables/nftables-rules';

/** One flavour of iptables, with a driver for each use of it. */
export interface XtTools {
  readonly variant: XtVariant;
  readonly tool: XtTool;
  /** For the iptables mode, and for taking rules away. */
  readonly rules: IptablesRules;
  /** Beside nftables. */
  readonly guard: IptablesRules;
}

/** What is installed and works. */
export interface TrafficTools {
  readonly nft: { readonly tool: NftTool; readonly detection: NftDetection; readonly rules: NftablesRules };
  /** The host's default first. */
  readonly iptables: readonly XtTools[];
}

/** Looks once: some five short processes. Rejects only when aborted. */
export async function detectTools(
  { runner, readText }: { readonly runner: CommandRunner; readonly readText: ReadText },
  family: IpFamily,
  signal?: AbortSignal,
): Promise<TrafficTools> {
  const tool = new NftTool(runner);
  const [detection, variants] = await Promise.all([tool.detect(family, signal), detectXtVariants(runner, signal)]);
  const capabilities = detection.usable ? detection.capabilities : { fullyRandom: false, comments: false };
  return {
    nft: { tool, detection, rules: new NftablesRules(tool, capabilities) },
    iptables: variants.map((variant) => {
      const xt = new XtTool(runner, variant);
      return {
        variant,
        tool: xt,
        rules: new IptablesRules({ tool: xt, readText, forward: 'always' }),
        guard: new IptablesRules({ tool: xt, readText, forward: 'when-blocked' }),
      };
    }),
  };
}

import type { IpFamily, IpPrefix } from '../../ip';
import type { Finding } from '../../reconcile';
import type { NftTool } from '../nftables/nft-tool';
import { isObject, type JsonObject } from '../nftables/nft-json';
import { nftFamily, nftTable } from '../nftables/nft-names';
import { commands, listPrefixes } from './cure';

/*
 * nftables asks every base chain at a hook, and one "drop" is enough: an accept of ours does not count for a chain of somebody else. So chains that
 * drop what they forward are looked for, and the finding says how to let pods through each. A chain in which one of our networks
 * is mentioned is taken for cured.
 */

interface ForwardChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
}

export interface ForwardChainSurvey {
  readonly tool: NftTool;
  /** Overlay networks that are on. */
  readonly networks: readonly IpPrefix[];
  /** iptables' own FORWARD chain is somebody else's business here. */
  readonly iptablesHandles: boolean;
}

export async function surveyForwardChains(survey: ForwardChainSurvey, signal?: AbortSignal): Promise<Finding[]> {
  const text = await survey.tool.list(['--json', 'list', 'chains'], signal);
  const findings: Finding[] = [];
  for (const chain of text === undefined ? [] : forwardChains(text)) {
    const networks = survey.networks.filter(({ family }) => concerns(chain.family, family));
    if (networks.length === 0 || isIptables(chain, survey) || isOurs(chain)) continue;
    if (!(await mentions(survey.tool, chain, networks, signal))) findings.push(finding(chain, networks));
  }
  return findings;
}

/** Base chains that forwarded packets pass and that may drop them; firewalld rejects in its last rule. */
export function forwardChains(json: string): ForwardChain[] {
  const { nftables = [] } = JSON.parse(json) as { readonly nftables?: readonly unknown[] };
  return nftables
    .filter(isObject)
    .map(({ chain }) => chain)
    .filter(isObject)
    .filter((chain) => chain['hook'] === 'forward' && (chain['policy'] === 'drop' || isFirewalld(chain)))
    .map(({ family, table, name }) => ({ family: String(family), table: String(table), name: String(name) }));
}

function isFirewalld({ table, name }: JsonObject | ForwardChain): boolean {
  return table === 'firewalld' && name === 'filter_FORWARD';
}

function concerns(chainFamily: string, family: IpFamily): boolean {
  return chainFamily === 'inet' || chainFamily === nftFamily[family];
}

function isOurs({ table }: ForwardChain): boolean {
  return table === nftTable(4).name || table === nftTable(6).name;
}

function isIptables({ family, table, name }: ForwardChain, { iptablesHandles }: ForwardChainSurvey): boolean {
  return iptablesHandles && family !== 'inet' && table === 'filter' && name === 'FORWARD';
}

/** firewalld keeps sources of zones in chains of its own, so all of its table is looked at. */
async function mentions(
  tool: NftTool,
  chain: ForwardChain,
  networks: readonly IpPrefix[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { family, table, name } = chain;
  const words = isFirewalld(chain) ? ['list', 'table', family, table] : ['list', 'chain', family, table, name];
  const text = await tool.list(words, signal);
  return text === undefined || networks.every((network) => text.includes(network.toString()));
}

function finding(chain: ForwardChain, networks: readonly IpPrefix[]): Finding {
  const place = `${chain.family} ${chain.table} ${chain.name}`;
  const pods = listPrefixes(networks);
  return isFirewalld(chain)
    ? {
        severity: 'warning',
        code: 'FIREWALLD_BLOCKS',
        subject: 'firewalld',
        message: `firewalld rejects forwarded packets of zones that it does not trust, among them those of pods (${pods})`,
        cure: commands([
          ...networks.map((network) => `firewall-cmd --permanent --zone=trusted --add-source=${network.toString()}`),
          'firewall-cmd --reload',
        ]),
      }
    : {
        severity: 'warning',
        code: 'FORWARD_DROPPED',
        subject: `nftables chain ${place}`,
        message: `the nftables chain ${place} drops what it does not accept, and it has no rule for pods (${pods})`,
        cure: commands(
          networks.flatMap((network) =>
            ['saddr', 'daddr'].map(
              (side) => `nft insert rule ${place} ${nftFamily[network.family]} ${side} ${network.toString()} accept`,
            ),
          ),
        ),
      };
}

import { type Truth } from './truth';

/*
 * What becomes of one packet in a packet filter, as far as its rules can be read. Each rule applies to the packet, does not, or
 * may (it asks for something that cannot be told from here: marks, rates, sets that fill by themselves, modules of iptables). The
 * walk follows the rules that apply for certain, and remembers whether one that may apply would have let the packet in. Rules that may
 * drop it are not followed: hosts are full of them (bans, limits), and they are meant for others.
 */

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

export interface FilterRule {
  readonly applies: Truth;
  readonly verdict: Verdict;
}

export type FilterChains = ReadonlyMap<string, readonly FilterRule[]>;

export interface Fate {
  readonly end: 'accept' | 'drop' | 'return';
  /** A rule of which it cannot be told whether it applies would have accepted the packet. */
  readonly mayAccept: boolean;
  /** Chains that were gone through, in order. */
  readonly trail: readonly string[];
}

/** The kernel allows no more (NFT_JUMP_STACK_SIZE, include/net/netfilter/nf_tables.h, v6.1); iptables refuses loops. */
const MAX_DEPTH = 16;

/** Through a base chain, whose `policy` decides in the end. */
export function walkBaseChain(chains: FilterChains, name: string, policy: 'accept' | 'drop'): Fate {
  const fate = walk(chains, name, 0);
  return fate.end === 'return' ? { ...fate, end: policy } : fate;
}

function walk(chains: FilterChains, name: string, depth: number): Fate {
  let mayAccept = false;
  const trail = [name];
  for (const { applies, verdict } of depth > MAX_DEPTH ? [] : (chains.get(name) ?? [])) {
    if (applies === 'no' || verdict.kind === 'continue') continue;
    const fate = decide(chains, verdict, depth);
    mayAccept ||= fate.mayAccept || (applies === 'maybe' && fate.end === 'accept');
    if (applies === 'maybe') continue;
    trail.push(...fate.trail);
    if (fate.end !== 'return' || verdict.kind !== 'jump') return { end: fate.end, mayAccept, trail };
  }
  return { end: 'return', mayAccept, trail };
}

function decide(chains: FilterChains, verdict: Verdict, depth: number): Fate {
  if ('chain' in verdict) return walk(chains, verdict.chain, depth + 1);
  const end = verdict.kind === 'continue' ? 'return' : verdict.kind;
  return { end, mayAccept: false, trail: [] };
}

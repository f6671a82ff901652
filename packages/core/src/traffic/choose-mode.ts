/** Through what rules are programmed. */
export type TrafficMode = 'nftables' | 'iptables' | 'none';
/** --traffic-manager */
export type TrafficManagerChoice = 'auto' | TrafficMode;

export interface ModeFacts {
  readonly choice: TrafficManagerChoice;
  /** `EnableNFTables` of the network config. */
  readonly enableNFTables: boolean;
  /** Why it cannot be used; null when it can. */
  readonly nftables: string | null;
  readonly iptables: string | null;
}

export type ModeDecision =
  | { readonly mode: TrafficMode; /** What was wanted and cannot be had. */ readonly instead?: string }
  | { readonly mode: null; readonly wanted: string; readonly reason: string };

/**
 * An explicit choice is kept or fails. `auto` takes nftables where it works, else iptables: the kernel runs both side by side, and nftables
 * changes a family's rules in one transaction without a lock. `EnableNFTables` only adds that the operator should hear when it cannot be had.
 */
export function chooseMode({ choice, enableNFTables, nftables, iptables }: ModeFacts): ModeDecision {
  switch (choice) {
    case 'none':
      return { mode: 'none' };
    case 'nftables':
      return nftables === null ? { mode: choice } : { mode: null, wanted: choice, reason: nftables };
    case 'iptables':
      return iptables === null ? { mode: choice } : { mode: null, wanted: choice, reason: iptables };
    case 'auto':
      if (nftables === null) return { mode: 'nftables' };
      if (iptables === null) return { mode: 'iptables', ...(enableNFTables && { instead: nftables }) };
      return { mode: null, wanted: 'nftables or iptables', reason: `${nftables}; ${iptables}` };
  }
}

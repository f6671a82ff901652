import type { IpFamily } from '../../ip';
import type { ChainRole } from '../rules/traffic-rule';

/*
 * Names and definitions as flannel has them (flannel-compat 5.2), so that an upgrade, a way back and other tools find what they know.
 * A base chain cannot be redefined: another priority here would make flanneld's own "add chain" fail.
 */

export const nftFamily = { 4: 'ip', 6: 'ip6' } as const;

export function nftTable(family: IpFamily): { readonly name: string; readonly comment: string } {
  const name = `flannel-ipv${family}`;
  return { name, comment: `rules for ${name}` };
}

export interface NftChainDefinition {
  readonly name: string;
  readonly type: 'filter' | 'nat';
  readonly hook: 'forward' | 'postrouting';
  /** NF_IP_PRI_FILTER and NF_IP_PRI_NAT_SRC of include/uapi/linux/netfilter_ipv4.h (v6.1). */
  readonly priority: number;
  readonly comment: string;
}

export const nftChains: Readonly<Record<ChainRole, NftChainDefinition>> = {
  masquerade: {
    name: 'postrtg',
    type: 'nat',
    hook: 'postrouting',
    priority: 100,
    comment: 'chain to manage traffic masquerading by flannel',
  },
  forward: {
    name: 'forward',
    type: 'filter',
    hook: 'forward',
    priority: 0,
    comment: 'chain to accept flannel traffic',
  },
};

import type { ChainRole } from '../rules/traffic-rule';

/** Tables, chains and comments as flannel has them (flannel-compat 5.1), so that an upgrade replaces its rules in place, and so does a way back. */
export interface XtPlace {
  readonly table: 'nat' | 'filter';
  /** Where packets come from: the kernel's own chain. */
  readonly builtin: 'POSTROUTING' | 'FORWARD';
  readonly chain: string;
  readonly comment: string;
}

export const xtPlaces: Readonly<Record<ChainRole, XtPlace>> = {
  masquerade: { table: 'nat', builtin: 'POSTROUTING', chain: 'FLANNEL-POSTRTG', comment: 'flanneld masq' },
  forward: { table: 'filter', builtin: 'FORWARD', chain: 'FLANNEL-FWD', comment: 'flanneld forward' },
};

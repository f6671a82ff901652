import type { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix } from '../ip';
import type { Json } from '../lease/lease';

/** How one family's network is cut into subnets (flannel-compat 1.2). */
export interface FamilyConfig<Prefix, Address> {
  readonly network: Prefix;
  /** Prefix length of a node's subnet. */
  readonly subnetLength: number;
  /** First and last subnet that may be leased, as network addresses, inclusive. */
  readonly subnetMin: Address;
  readonly subnetMax: Address;
}

/** The network config after parsing, validation and derivation. At least one family is set. */
export interface NetworkConfig {
  readonly ipv4: FamilyConfig<Ipv4Prefix, Ipv4Address> | null;
  readonly ipv6: FamilyConfig<Ipv6Prefix, Ipv6Address> | null;
  readonly enableNFTables: boolean;
  /** Lower case. */
  readonly backendType: string;
  /** The whole `Backend` object as parsed, for the backend's own options; member names in any case. */
  readonly backend: Readonly<Record<string, Json>>;
  /** --strict-config: unknown members are errors, in `backend` too (readBackendOptions). */
  readonly strict?: boolean;
}

/** Something in a config that works but is hardly meant. */
export interface ConfigWarning {
  readonly kind: 'unknown-key' | 'obsolete-key' | 'repeated-key' | 'unused-key' | 'default-backend';
  /** Path of the member, such as `Backend.Prot`. */
  readonly key: string;
  /** One sentence for the operator. */
  readonly message: string;
}

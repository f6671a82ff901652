import type { IpAddress, IpPrefix } from '../ip';
import type { Json, LeaseSubnets } from '../lease/lease';
import { matchKeys } from './match-keys';
import type { FamilyConfig, NetworkConfig } from './network-config';

/*
 * What a changed network config means for a node that runs already. Live is what touches neither the subnet that this node holds
 * nor the way in which packets travel: then the daemon plans anew with the new config and pods notice nothing. Everything else waits
 * for an operator, because it gives the node another subnet (its pods lose their addresses) or cuts it off from the peers
 * that still follow the old config.
 */

/** One member that differs. */
export type ConfigChange = {
  /** Member of the network config, such as `SubnetMin` or `Backend.Port`. */
  readonly key: string;
  /** `absent` where there is none. Texts of backend options are not shown, they may be secrets. */
  readonly from: string;
  readonly to: string;
} & (
  | { readonly live: true }
  /** `remedy`: one sentence that says what to do. */
  | { readonly live: false; readonly remedy: string }
);

type Family = FamilyConfig<IpPrefix, IpAddress>;

interface FamilyChange {
  /** `''` or `IPv6`, the beginning of the member names. */
  readonly prefix: string;
  readonly before: Family;
  readonly after: Family;
  /** Our subnet in this family: undefined when the caller does not know, null when there is none. */
  readonly held: IpPrefix | null | undefined;
}

const RESTART = 'restart tartand on this node; traffic goes on meanwhile';
const NEW_SUBNET = 'move the pods off this node, then restart tartand there: it gets another subnet';

/**
 * All members that differ between two valid configs; empty when none does. `lease` is what the node holds; without it, whatever
 * could depend on it counts as depending.
 */
export function diffNetworkConfig(before: NetworkConfig, after: NetworkConfig, lease?: LeaseSubnets): ConfigChange[] {
  return [
    ...diffFamily('', before.ipv4, after.ipv4, lease?.subnet),
    ...diffFamily('IPv6', before.ipv6, after.ipv6, lease?.ipv6Subnet),
    ...diffMember('EnableNFTables', String(before.enableNFTables), String(after.enableNFTables), RESTART),
    ...diffBackend(before, after),
  ];
}

function diffFamily(
  prefix: string,
  before: Family | null,
  after: Family | null,
  held: IpPrefix | null | undefined,
): ConfigChange[] {
  if (!before || !after) {
    const key = prefix === '' ? 'EnableIPv4' : 'EnableIPv6';
    return diffMember(key, String(before !== null), String(after !== null), NEW_SUBNET);
  }
  const change = { prefix, before, after, held };
  return [...diffNetwork(change), ...diffLength(change), ...diffRange(change)];
}

function diffNetwork({ prefix, before, after, held }: FamilyChange): ConfigChange[] {
  if (before.network.equals(after.network)) return [];
  const change = { key: `${prefix}Network`, from: before.network.toString(), to: after.network.toString() };
  const kept =
    held === undefined ? after.network.contains(before.network) : held === null || after.network.contains(held);
  return [kept ? { ...change, live: true } : { ...change, live: false, remedy: remedyOutside(held, after.network) }];
}

function diffLength({ prefix, before, after, held }: FamilyChange): ConfigChange[] {
  const [from, to] = [String(before.subnetLength), String(after.subnetLength)];
  if (held === null && from !== to) return [{ key: `${prefix}SubnetLen`, from, to, live: true }];
  const remedy = `move the pods off this node, then restart tartand there: it gets a subnet of /${to}; do so node by node, subnets of both sizes get along`;
  return diffMember(`${prefix}SubnetLen`, from, to, remedy);
}

function diffRange({ prefix, before, after, held }: FamilyChange): ConfigChange[] {
  return [
    ...diffBound(`${prefix}SubnetMin`, before.subnetMin, after.subnetMin, {
      keeps: (address) => after.subnetMin.value <= address.value,
      held,
    }),
    ...diffBound(`${prefix}SubnetMax`, before.subnetMax, after.subnetMax, {
      keeps: (address) => after.subnetMax.value >= address.value,
      held,
    }),
  ];
}

function diffBound(
  key: string,
  from: IpAddress,
  to: IpAddress,
  { keeps, held }: { keeps: (address: IpAddress) => boolean; held: IpPrefix | null | undefined },
): ConfigChange[] {
  if (from.value === to.value) return [];
  const change = { key, from: from.toString(), to: to.toString() };
  if (held === null || keeps(held?.address ?? from)) return [{ ...change, live: true }];
  const whose = held
    ? `the subnet ${held.toString()} of this node lies outside now`
    : 'the subnet of this node may lie outside now';
  return [{ ...change, live: false, remedy: `${whose}: ${NEW_SUBNET}` }];
}

function remedyOutside(held: IpPrefix | null | undefined, network: IpPrefix): string {
  const whose = held ? `the subnet ${held.toString()} of this node` : 'the subnet of this node';
  return `${whose} does not lie in ${network.toString()}: ${NEW_SUBNET}`;
}

function diffBackend(before: NetworkConfig, after: NetworkConfig): ConfigChange[] {
  if (before.backendType !== after.backendType) {
    const remedy =
      'nodes of different backends do not reach each other: restart tartand on all nodes, one soon after the other';
    return diffMember('Backend.Type', before.backendType, after.backendType, remedy);
  }
  const [from, to] = [backendMembers(before), backendMembers(after)];
  return [...new Set([...from.keys(), ...to.keys()])].flatMap((folded) => {
    const [old, present] = [from.get(folded), to.get(folded)];
    if (sameJson(old?.value, present?.value)) return [];
    const key = `Backend.${present?.name ?? old?.name ?? folded}`;
    const remedy =
      'restart tartand on all nodes, one soon after the other: most backend options must be equal everywhere';
    return [{ key, from: showJson(old?.value), to: showJson(present?.value), live: false, remedy }];
  });
}

function backendMembers({ backend }: NetworkConfig): Map<string, { name: string; value: Json }> {
  const members = Object.entries(backend).filter(([name]) => name.toLowerCase() !== 'type');
  const names = [...new Set(members.map(([name]) => name.toLowerCase()))];
  const { values } = matchKeys(
    members.map(([name, value]) => [name, { name, value }] as const),
    names,
  );
  return new Map(values);
}

function diffMember(key: string, from: string, to: string, remedy: string): ConfigChange[] {
  return from === to ? [] : [{ key, from, to, live: false, remedy }];
}

/** Equal up to the order of members. */
function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: Json | undefined): string | undefined {
  return JSON.stringify(value, (_, inner: Json) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))
      : inner,
  );
}

function showJson(value: Json | undefined): string {
  if (value === undefined) return 'absent';
  return typeof value === 'object' || typeof value === 'string' ? '(not shown)' : String(value);
}

import type { Ipv4Address, Ipv6Address, IpAddress } from '../../ip';
import type { Route } from '../../netlink';
import type { Named } from '../interface-options';
import { findByIndex } from '../interface-inventory';
import {
  isRejection,
  type InterfacePick,
  type InterfaceSelector,
  type Rejection,
  type SelectionScene,
  type SelectorOutcome,
} from '../selector';

/** `--iface-can-reach`: where the kernel would send a packet for each target, and from which source address. */
export function byReachability({ text, value: targets }: Named<readonly IpAddress[]>): InterfaceSelector {
  return {
    name: `--iface-can-reach ${text}`,
    pick: async (scene) => {
      const routes = await scene.netlink.lookupRoutes(targets);
      return merge(targets.map((target, index) => pickFor(target, routes[index], scene)));
    },
  };
}

function pickFor(target: IpAddress, route: Route | undefined, { inventory }: SelectionScene): SelectorOutcome {
  const to = target.toString();
  if (route === undefined) return { rejected: `no route to ${to}` };
  if (route.type === 'local') return { rejected: `${to} is this host's own address` };
  if (route.type !== 'unicast') return { rejected: `the route to ${to} is of type ${route.type}` };
  const candidate = findByIndex(inventory, route.oif ?? route.multipath?.[0]?.oif ?? 0);
  if (!candidate) return { rejected: `the route to ${to} leads to no interface` };
  return { candidate, ...source(route.prefSrc) };
}

function source(address: IpAddress | undefined): { ipv4?: Ipv4Address; ipv6?: Ipv6Address } {
  if (!address) return {};
  return address.family === 4 ? { ipv4: address } : { ipv6: address };
}

/** Targets of both families must be reached by one interface; its address of each family comes from its own lookup. */
function merge(outcomes: readonly SelectorOutcome[]): SelectorOutcome {
  const failed = outcomes.find((outcome): outcome is Rejection => isRejection(outcome));
  if (failed) return failed;
  const picks = outcomes as readonly InterfacePick[];
  const names = [...new Set(picks.map(({ candidate }) => candidate.link.name))];
  if (names.length > 1) return { rejected: `the targets are reached by different interfaces: ${names.join(' and ')}` };
  return Object.assign({}, ...picks) as InterfacePick;
}

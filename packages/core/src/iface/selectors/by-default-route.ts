import type { IpFamily } from '../../ip';
import type { NextHop, Route } from '../../netlink';
import { findByIndex, usableAddresses, type InterfaceCandidate } from '../interface-inventory';
import type { InterfaceSelector, SelectionScene, SelectorOutcome } from '../selector';

/*
 * The interface of the default route, when nothing else was asked for. Several may be equally good: a multipath route, or two
 * IPv6 routers. Taking "the first" would let the choice change from start to start, so equals are ranked: heavier next hop
 * first, then lower interface index. With both families on, an interface that carries both default routes wins; where only
 * one family has a default route, its interface is taken if it has an address of the other family too.
 */

export const byDefaultRoute: InterfaceSelector = {
  name: 'default route',
  pick: async (scene) => {
    const { families } = scene;
    const [ipv4, ipv6] = await Promise.all([
      families.ipv4 ? ranked(scene, 4) : [],
      families.ipv6 ? ranked(scene, 6) : [],
    ]);
    if (!families.ipv6) return first(ipv4, 'no IPv4 default route');
    if (!families.ipv4) return first(ipv6, 'no IPv6 default route');
    return pickDual(ipv4, ipv6);
  },
};

function pickDual(ipv4: readonly InterfaceCandidate[], ipv6: readonly InterfaceCandidate[]): SelectorOutcome {
  const both = ipv4.find((candidate) => ipv6.includes(candidate));
  if (both) return { candidate: both };
  if (ipv4.length === 0 || ipv6.length === 0) return pickHalf(ipv4, ipv6);
  return { rejected: `IPv4 leaves by ${names(ipv4)} but IPv6 by ${names(ipv6)}; name one with --iface` };
}

function pickHalf(ipv4: readonly InterfaceCandidate[], ipv6: readonly InterfaceCandidate[]): SelectorOutcome {
  const some = [...ipv4, ...ipv6];
  const complete = some.find((candidate) => candidate.ipv4.length > 0 && candidate.ipv6.length > 0);
  return first(complete ? [complete] : some, 'no default route in either family');
}

function first(candidates: readonly InterfaceCandidate[], reason: string): SelectorOutcome {
  return candidates[0] ? { candidate: candidates[0] } : { rejected: reason };
}

/** The interfaces of the best default route, the one to take first. */
async function ranked(scene: SelectionScene, family: IpFamily): Promise<InterfaceCandidate[]> {
  const routes = await scene.netlink.listRoutes({ family });
  return bestHops(routes)
    .map(({ oif, weight = 1 }) => ({ candidate: findByIndex(scene.inventory, oif ?? 0), weight }))
    .filter((hop): hop is { candidate: InterfaceCandidate; weight: number } => hop.candidate !== undefined)
    .sort(
      (a, b) => standing(a.candidate, family) - standing(b.candidate, family) || b.weight - a.weight || compare(a, b),
    )
    .map(({ candidate }) => candidate);
}

const compare = (a: { candidate: InterfaceCandidate }, b: { candidate: InterfaceCandidate }): number =>
  a.candidate.link.index - b.candidate.link.index;

/** 0 for what can be used at once. */
function standing(candidate: InterfaceCandidate, family: IpFamily): number {
  return Number(!candidate.link.up) + Number(usableAddresses(candidate, family).length === 0);
}

/** Next hops of the default routes that the kernel prefers: alive, then lowest metric. */
function bestHops(routes: readonly Route[]): NextHop[] {
  const defaults = routes
    .filter(({ dst, type }) => dst.length === 0 && type === 'unicast')
    .sort((a, b) => Number(a.dead) - Number(b.dead) || a.metric - b.metric);
  const best = defaults[0];
  return defaults
    .filter(({ dead, metric }) => dead === best?.dead && metric === best.metric)
    .flatMap(({ multipath, oif }) => multipath ?? (oif === undefined ? [] : [{ oif }]));
}

const names = (candidates: readonly InterfaceCandidate[]): string => candidates.map(({ link }) => link.name).join(', ');

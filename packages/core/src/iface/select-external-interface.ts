import { TartanError } from '../errors';
import type { IpAddress } from '../ip';
import type { RtNetlink } from '../netlink';
import type { Logger } from '../runtime';
import type { ExternalInterface } from './external-interface';
import { describeCandidate, findOwner, readInventory } from './interface-inventory';
import { parseInterfaceOptions, type InterfaceOptions, type ParsedInterfaceOptions } from './interface-options';
import { byDefaultRoute } from './selectors/by-default-route';
import { byNameOrAddress, byPublicAddress } from './selectors/by-name-or-address';
import { byReachability } from './selectors/by-reachability';
import { byRegex } from './selectors/by-regex';
import {
  isRejection,
  type InterfaceFamilies,
  type InterfacePick,
  type InterfaceSelector,
  type Rejection,
  type SelectionScene,
} from './selector';

/*
 * Which interface carries the traffic between hosts (flannel-compat 6.2). Selectors are tried in a fixed order and the first
 * that leads to a complete answer wins: an interface with an MTU and an address in every family of the network. Every selector
 * works in both families, and all addresses of an answer come from one interface. A public address differs from the
 * interface's own only behind NAT; given alone, it also says which interface, if this host carries it at all.
 */

export interface SelectInterfaceOptions {
  readonly netlink: RtNetlink;
  readonly options: InterfaceOptions;
  /** Families of the network config; at least one is true. */
  readonly families: InterfaceFamilies;
  readonly logger: Logger;
  /** What the last call chose: the same choice again is not logged again. */
  readonly previous?: ExternalInterface | null;
}

/**
 * Looks at the kernel once and chooses. Rejects with IFACE_OPTION_INVALID before anything is tried, with IFACE_NOT_FOUND
 * (every selector with its reason, every interface with its addresses), or with what netlink said. Changes nothing.
 */
export async function selectExternalInterface(input: SelectInterfaceOptions): Promise<ExternalInterface> {
  const { netlink, families, logger } = input;
  const options = parseInterfaceOptions(input.options, families);
  const scene: SelectionScene = { inventory: await readInventory(netlink), families, netlink };
  const tried: { selector: string; reason: string }[] = [];
  for (const selector of selectorsOf(options)) {
    const chosen = await trySelector(selector, scene, options);
    if (!isRejection(chosen)) {
      if (!isSame(chosen, input.previous ?? null)) report(chosen, { tried, options, scene, logger });
      return chosen;
    }
    tried.push({ selector: selector.name, reason: chosen.rejected });
  }
  throw new TartanError('IFACE_NOT_FOUND', {
    tried: tried.map(({ selector, reason }) => `${selector}: ${reason}`),
    interfaces: scene.inventory.map(describeCandidate),
  });
}

function selectorsOf(options: ParsedInterfaceOptions): InterfaceSelector[] {
  const asked = [
    ...options.iface.map(byNameOrAddress),
    ...options.ifaceRegex.map(byRegex),
    ...(options.canReach ? [byReachability(options.canReach)] : []),
  ];
  return asked.length > 0 ? asked : [...publicSelectors(options), byDefaultRoute];
}

function publicSelectors({ publicIP, publicIPv6 }: ParsedInterfaceOptions): InterfaceSelector[] {
  return [
    ...(publicIP ? [byPublicAddress('--public-ip', publicIP)] : []),
    ...(publicIPv6 ? [byPublicAddress('--public-ipv6', publicIPv6)] : []),
  ];
}

async function trySelector(
  selector: InterfaceSelector,
  scene: SelectionScene,
  options: ParsedInterfaceOptions,
): Promise<ExternalInterface | Rejection> {
  const outcome = await selector.pick(scene);
  return isRejection(outcome) ? outcome : complete(selector.name, outcome, scene.families, options);
}

/** Fills in what the rule did not name. A public address that the interface carries is also the one to send from. */
function complete(
  pickedBy: string,
  pick: InterfacePick,
  families: InterfaceFamilies,
  options: ParsedInterfaceOptions,
): ExternalInterface | Rejection {
  const { candidate } = pick;
  const { name, index, mtuBytes } = candidate.link;
  const address = families.ipv4 ? (pick.ipv4 ?? own(candidate.ipv4, options.publicIP) ?? candidate.ipv4[0]) : null;
  const ipv6Address = families.ipv6
    ? (pick.ipv6 ?? own(candidate.ipv6, options.publicIPv6) ?? candidate.ipv6[0])
    : null;
  if (address === undefined) return { rejected: `${name} has no usable IPv4 address` };
  if (ipv6Address === undefined) return { rejected: `${name} has no usable IPv6 address` };
  if (mtuBytes === 0) return { rejected: `${name} has no MTU` };
  const publicIP = options.publicIP ?? address;
  const publicIPv6 = options.publicIPv6 ?? ipv6Address;
  return { ifname: name, ifindex: index, mtuBytes, address, ipv6Address, publicIP, publicIPv6, pickedBy };
}

/** The same address among the usable ones of the interface. */
function own<Address extends IpAddress>(usable: readonly Address[], address: Address | null): Address | undefined {
  return address ? usable.find((candidate) => candidate.equals(address)) : undefined;
}

/** Addresses and all, by their text. */
function isSame(chosen: ExternalInterface, previous: ExternalInterface | null): boolean {
  return JSON.stringify(chosen) === JSON.stringify(previous);
}

interface Report {
  readonly tried: readonly { selector: string; reason: string }[];
  readonly options: ParsedInterfaceOptions;
  readonly scene: SelectionScene;
  readonly logger: Logger;
}

/** What an operator should know about the choice, once it stands. */
function report(chosen: ExternalInterface, { tried, options, scene, logger }: Report): void {
  for (const attempt of tried) logger.warn('interface selector led nowhere, trying the next', attempt);
  const { pickedBy, ...fields } = chosen;
  logger.info('external interface chosen', { ...fields, pickedBy });
  for (const address of [options.publicIP, options.publicIPv6]) reportForeign(address, chosen, { scene, logger });
}

function reportForeign(
  address: IpAddress | null,
  { ifname }: ExternalInterface,
  { scene, logger }: Pick<Report, 'scene' | 'logger'>,
): void {
  if (!address) return;
  const owner = findOwner(scene.inventory, address);
  if (!owner) logger.info('publishing an address that this host does not carry, as behind NAT', { address, ifname });
  else if (owner.link.name !== ifname) {
    logger.warn('the published address is on another interface', { address, ifname, owner: owner.link.name });
  }
}

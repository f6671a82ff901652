import { parseIpAddress, type IpAddress } from '../../ip';
import { findByName, findOwner, whyUnusable, type InterfaceCandidate } from '../interface-inventory';
import type { InterfaceSelector, SelectorOutcome } from '../selector';

/** `--iface`: an address that an interface carries, in either family, or else an interface's name. */
export function byNameOrAddress(text: string): InterfaceSelector {
  const address = literal(text);
  return {
    name: `--iface ${text}`,
    pick: ({ inventory }) => {
      if (address) return pickOwner(address, findOwner(inventory, address));
      const candidate = findByName(inventory, text);
      return candidate ? { candidate } : { rejected: 'no such interface' };
    },
  };
}

/**
 * A public address that this host carries itself, given without any other selector. Loopback does not count: an address
 * announced by a routing daemon lives there, but no packet to a peer leaves by it.
 */
export function byPublicAddress(option: string, address: IpAddress): InterfaceSelector {
  return {
    name: `${option} ${address.toString()}`,
    pick: ({ inventory }) => {
      const owner = findOwner(inventory, address);
      return pickOwner(address, owner?.link.loopback ? undefined : owner);
    },
  };
}

/** The operator named the address: link-local and deprecated ones are honoured, unproven ones are not. */
function pickOwner(address: IpAddress, owner: InterfaceCandidate | undefined): SelectorOutcome {
  const entry = owner?.addresses.find((candidate) => candidate.address.equals(address));
  if (!owner || !entry) return { rejected: 'no interface has this address' };
  if (entry.tentative || entry.dadFailed) return { rejected: `on ${owner.link.name}, but ${whyUnusable(entry) ?? ''}` };
  return address.family === 4 ? { candidate: owner, ipv4: address } : { candidate: owner, ipv6: address };
}

function literal(text: string): IpAddress | undefined {
  try {
    return parseIpAddress(text);
  } catch {
    return undefined;
  }
}

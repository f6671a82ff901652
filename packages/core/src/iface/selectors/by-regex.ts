import type { Named } from '../interface-options';
import { inSearchOrder, type InterfaceCandidate, type InterfaceInventory } from '../interface-inventory';
import type { InterfaceFamilies, InterfacePick, InterfaceSelector } from '../selector';

/**
 * `--iface-regex`: searched in the usable addresses, then in the names. An interface where every family matches comes before
 * one where some family does, and addresses are only ever taken from one and the same interface.
 */
export function byRegex({ text, value: regex }: Named<RegExp>): InterfaceSelector {
  return {
    name: `--iface-regex ${text}`,
    pick: ({ inventory, families }) =>
      matchAddresses(inventory, families, regex) ??
      matchName(inventory, regex) ?? { rejected: 'matches no usable address and no name' },
  };
}

function matchAddresses(
  inventory: InterfaceInventory,
  families: InterfaceFamilies,
  regex: RegExp,
): InterfacePick | undefined {
  const picks = inSearchOrder(inventory).map((candidate) => matchOne(candidate, families, regex));
  const complete = picks.find(
    ({ ipv4, ipv6 }) => (ipv4 !== undefined || !families.ipv4) && (ipv6 !== undefined || !families.ipv6),
  );
  return complete ?? picks.find(({ ipv4, ipv6 }) => ipv4 ?? ipv6);
}

function matchOne(candidate: InterfaceCandidate, families: InterfaceFamilies, regex: RegExp): InterfacePick {
  const ipv4 = families.ipv4 ? candidate.ipv4.find((address) => regex.test(address.toString())) : undefined;
  const ipv6 = families.ipv6 ? candidate.ipv6.find((address) => regex.test(address.toString())) : undefined;
  return { candidate, ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) };
}

function matchName(inventory: InterfaceInventory, regex: RegExp): InterfacePick | undefined {
  const candidate = inSearchOrder(inventory).find(({ link }) => regex.test(link.name));
  return candidate && { candidate };
}

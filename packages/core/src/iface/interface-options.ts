import { TartanError } from '../errors';
import { Ipv4Address, Ipv6Address, parseIpAddress, type IpAddress } from '../ip';
import { compileInterfaceRegex } from './interface-regex';
import type { InterfaceFamilies } from './selector';

/** The options of the choice, as the operator gave them; empty text is the same as absent. */
export interface InterfaceOptions {
  /** Names or addresses, tried in order. */
  readonly iface: readonly string[];
  /** Tried in order after all of `iface`. */
  readonly ifaceRegex: readonly string[];
  /** An address, or one per family separated by a comma; tried last. */
  readonly ifaceCanReach?: string | undefined;
  readonly publicIP?: string | undefined;
  readonly publicIPv6?: string | undefined;
}

/** A selector option with its text, for messages. */
export interface Named<Value> {
  readonly text: string;
  readonly value: Value;
}

export interface ParsedInterfaceOptions {
  readonly iface: readonly string[];
  readonly ifaceRegex: readonly Named<RegExp>[];
  /** At most one per family. */
  readonly canReach: Named<readonly IpAddress[]> | null;
  /** null when not given or when the family is off. */
  readonly publicIP: Ipv4Address | null;
  readonly publicIPv6: Ipv6Address | null;
}

/** Checks everything before anything is tried. Throws IFACE_OPTION_INVALID. */
export function parseInterfaceOptions(options: InterfaceOptions, families: InterfaceFamilies): ParsedInterfaceOptions {
  const publicIP = parsePublic('--public-ip', options.publicIP, (text) => Ipv4Address.parse(text));
  const publicIPv6 = parsePublic('--public-ipv6', options.publicIPv6, (text) => Ipv6Address.parse(text));
  return {
    iface: options.iface.filter((name) => name !== ''),
    ifaceRegex: options.ifaceRegex
      .filter((text) => text !== '')
      .map((text) => ({ text, value: compileInterfaceRegex(text) })),
    canReach: options.ifaceCanReach ? parseCanReach(options.ifaceCanReach) : null,
    publicIP: families.ipv4 ? publicIP : null,
    publicIPv6: families.ipv6 ? publicIPv6 : null,
  };
}

function parsePublic<Address extends IpAddress>(
  option: string,
  text: string | undefined,
  parse: (text: string) => Address,
): Address | null {
  if (text === undefined || text === '') return null;
  const expected = `an ${option === '--public-ip' ? 'IPv4' : 'IPv6'} address that peers can send to`;
  const address = attempt(() => parse(text), { option, value: text, expected });
  if (address.isUnspecified || address.isMulticast) {
    throw new TartanError('IFACE_OPTION_INVALID', { option, value: text, expected });
  }
  return address;
}

function parseCanReach(text: string): Named<readonly IpAddress[]> {
  const invalid = { option: '--iface-can-reach', value: text, expected: 'an IP address, or one of each family' };
  const parts = text.split(',').map((part) => part.trim());
  const targets = parts.map((part) => attempt(() => parseIpAddress(part), invalid));
  if (new Set(targets.map(({ family }) => family)).size !== targets.length) {
    throw new TartanError('IFACE_OPTION_INVALID', invalid);
  }
  return { text, value: targets };
}

function attempt<Value>(parse: () => Value, data: { option: string; value: string; expected: string }): Value {
  try {
    return parse();
  } catch (cause) {
    throw new TartanError('IFACE_OPTION_INVALID', data, { cause });
  }
}

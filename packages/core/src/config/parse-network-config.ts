import { TartanError } from '../errors';
import { Ipv4Address, Ipv4Prefix, Ipv6Address, Ipv6Prefix } from '../ip';
import { ConfigProblems } from './config-problems';
import { ipv4Family, ipv6Family } from './family-config';
import {
  describeNode,
  JsonSyntaxError,
  membersToJson,
  parseJsonText,
  type JsonMember,
  type JsonNode,
} from './json-text';
import { matchKeys, reportRepeatedKey, reportUnknownKey, type KeyReport } from './match-keys';
import { MemberReader } from './member-reader';
import type { ConfigWarning, NetworkConfig } from './network-config';

/** Every member of the network config (flannel-compat 1.1). Their names match whatever their case. */
export const networkConfigKeys = [
  'EnableIPv4',
  'EnableIPv6',
  'EnableNFTables',
  'Network',
  'IPv6Network',
  'SubnetLen',
  'SubnetMin',
  'SubnetMax',
  'IPv6SubnetLen',
  'IPv6SubnetMin',
  'IPv6SubnetMax',
  'Backend',
] as const;

type Key = (typeof networkConfigKeys)[number];

/** Members of flannel v0.20 that later versions dropped without a word. */
const obsoleteKeys: Readonly<Record<string, Key>> = { networks: 'Network', ipv6networks: 'IPv6Network' };

/** What people write beside `Backend` instead of inside. */
const backendKeys = new Set(
  ['Type', 'VNI', 'Port', 'MTU', 'GBP', 'Learning', 'DirectRouting', 'PSK', 'ListenPort', 'Mode'].map((key) =>
    key.toLowerCase(),
  ),
);

export interface ParsedNetworkConfig {
  readonly config: NetworkConfig;
  readonly warnings: readonly ConfigWarning[];
}

export interface ParseOptions {
  /** Unknown keys are wrong too, else they are warnings. */
  readonly strict?: boolean;
  /** The datastore assigns subnets (Kubernetes: podCIDR): how to cut the network is not asked, as in flannel (flannel-compat 3.1). */
  readonly assigned?: boolean;
}

/**
 * The network config from its JSON text: decoded, checked, with all derived values. Throws CONFIG_NOT_JSON, or CONFIG_INVALID
 * that names everything that is wrong.
 */
export function parseNetworkConfig(
  text: string,
  { strict = false, assigned = false }: ParseOptions = {},
): ParsedNetworkConfig {
  const problems = new ConfigProblems();
  const warnings: ConfigWarning[] = [];
  const report: KeyReport = { strict, path: '', known: networkConfigKeys, problems, warnings, hint: hintFor };
  const members = new MemberReader(readMembers(parseText(text), report), problems);

  const families = readFamilies(members, assigned, problems, warnings);
  const enableNFTables = members.boolean('EnableNFTables', false);
  const { backendType, backend } = readBackend(members.get('Backend'), problems, warnings);
  problems.throwIfAny();
  return { config: { ...families, enableNFTables, backendType, backend, strict }, warnings };
}

function parseText(text: string): JsonNode {
  try {
    return parseJsonText(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    const { problem, line, column } = error;
    throw new TartanError('CONFIG_NOT_JSON', { problem, line, column }, { cause: error });
  }
}

function readMembers(root: JsonNode, report: KeyReport): ReadonlyMap<Key, JsonNode> {
  if (root.kind !== 'object') {
    report.problems.add('the whole text', describeNode(root), 'an object such as {"Network": "10.5.0.0/16"}');
    report.problems.throwIfAny();
    return new Map();
  }
  const pairs = root.members.map(({ name, value }: JsonMember) => [name, value] as const);
  const { values, unknown, repeated } = matchKeys(pairs, networkConfigKeys);
  for (const key of repeated) reportRepeatedKey(key, report);
  for (const name of unknown) reportUnusable(name, report);
  return values;
}

function reportUnusable(name: string, report: KeyReport): void {
  const successor = Object.hasOwn(obsoleteKeys, name.toLowerCase()) ? obsoleteKeys[name.toLowerCase()] : undefined;
  if (successor === undefined) {
    reportUnknownKey(name, report);
  } else if (report.strict) {
    report.problems.add(name, 'a key that only flannel v0.20 reads', successor);
  } else {
    const message = `${name} is ignored: only flannel v0.20 reads it; one network is given by ${successor}`;
    report.warnings.push({ kind: 'obsolete-key', key: name, message });
  }
}

function hintFor(name: string): string | undefined {
  return backendKeys.has(name.toLowerCase()) ? `Backend.${name}` : undefined;
}

function readFamilies(
  members: MemberReader<Key>,
  assigned: boolean,
  problems: ConfigProblems,
  warnings: ConfigWarning[],
): Pick<NetworkConfig, 'ipv4' | 'ipv6'> {
  const enable4 = members.boolean('EnableIPv4', true);
  const enable6 = members.boolean('EnableIPv6', false);
  const v4 = {
    network: members.parsed('Network', 'an IPv4 prefix in quotes, such as "10.5.0.0/16"', (text) =>
      Ipv4Prefix.parse(text),
    ),
    length: members.unsigned('SubnetLen'),
    min: members.bound('SubnetMin', 'an IPv4 address in quotes', (text) => Ipv4Address.parse(text)),
    max: members.bound('SubnetMax', 'an IPv4 address in quotes', (text) => Ipv4Address.parse(text)),
    assigned,
  };
  const v6 = {
    network: members.parsed('IPv6Network', 'an IPv6 prefix in quotes, such as "fd00:10:5::/48"', (text) =>
      Ipv6Prefix.parse(text),
    ),
    length: members.unsigned('IPv6SubnetLen'),
    min: members.bound('IPv6SubnetMin', 'an IPv6 address in quotes', (text) => Ipv6Address.parse(text)),
    max: members.bound('IPv6SubnetMax', 'an IPv6 address in quotes', (text) => Ipv6Address.parse(text)),
    assigned,
  };
  if (!enable4 && !enable6) {
    problems.add('EnableIPv4', 'false', 'true, or "EnableIPv6": true: with both families off there is no overlay');
  }
  warnOfUnused(members, { enable4, enable6 }, warnings);
  if (assigned) warnOfAssigned(members, { enable4, enable6 }, warnings);
  return {
    ipv4:
      enable4 && members.readable('Network', 'SubnetLen', 'SubnetMin', 'SubnetMax') ? ipv4Family(v4, problems) : null,
    ipv6:
      enable6 && members.readable('IPv6Network', 'IPv6SubnetLen', 'IPv6SubnetMin', 'IPv6SubnetMax')
        ? ipv6Family(v6, problems)
        : null,
  };
}

/** An IPv6Network without EnableIPv6 is a common oversight, and the original says nothing. */
function warnOfUnused(
  members: MemberReader<Key>,
  { enable4, enable6 }: { enable4: boolean; enable6: boolean },
  warnings: ConfigWarning[],
): void {
  const unused = [
    ...(enable4 ? [] : (['Network', 'SubnetLen', 'SubnetMin', 'SubnetMax'] as const)),
    ...(enable6 ? [] : (['IPv6Network', 'IPv6SubnetLen', 'IPv6SubnetMin', 'IPv6SubnetMax'] as const)),
  ];
  for (const key of unused.filter((name) => members.get(name) !== undefined)) {
    const enable = key.startsWith('IPv6') ? 'EnableIPv6' : 'EnableIPv4';
    warnings.push({ kind: 'unused-key', key, message: `${key} has no effect: ${enable} is not true` });
  }
}

function warnOfAssigned(
  members: MemberReader<Key>,
  { enable4, enable6 }: { enable4: boolean; enable6: boolean },
  warnings: ConfigWarning[],
): void {
  const unused = [
    ...(enable4 ? (['SubnetLen', 'SubnetMin', 'SubnetMax'] as const) : []),
    ...(enable6 ? (['IPv6SubnetLen', 'IPv6SubnetMin', 'IPv6SubnetMax'] as const) : []),
  ];
  for (const key of unused.filter((name) => members.get(name) !== undefined)) {
    warnings.push({ kind: 'unused-key', key, message: `${key} has no effect: the datastore assigns the subnets` });
  }
}

const BACKEND_EXPECTED = 'an object with a type, such as {"Type": "vxlan"}';

function readBackend(
  node: JsonNode | undefined,
  problems: ConfigProblems,
  warnings: ConfigWarning[],
): Pick<NetworkConfig, 'backendType' | 'backend'> {
  if (node === undefined) {
    warnings.push({
      kind: 'default-backend',
      key: 'Backend',
      message:
        'Backend is absent, so the type is "udp", as in flannel: a tunnel in user space; write "Backend": {"Type": "vxlan"} for a tunnel in the kernel',
    });
    return { backendType: 'udp', backend: {} };
  }
  if (node.kind !== 'object') {
    problems.add('Backend', describeNode(node), BACKEND_EXPECTED);
    return { backendType: '', backend: {} };
  }
  const type = matchKeys(
    node.members.map(({ name, value }) => [name, value] as const),
    ['Type'],
  ).values.get('Type');
  if (type?.kind !== 'string' || type.value === '') {
    problems.add(
      'Backend.Type',
      type ? describeNode(type) : 'absent',
      'the name of a backend in quotes, such as "vxlan"',
    );
    return { backendType: '', backend: {} };
  }
  return { backendType: type.value.toLowerCase(), backend: membersToJson(node.members) };
}

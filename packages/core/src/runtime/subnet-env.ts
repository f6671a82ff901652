import { readFile } from 'node:fs/promises';
import { TartanError } from '../errors';
import { Ipv4Prefix, Ipv6Prefix } from '../ip';
import { errnoNameOf, writeFileAtomic } from './atomic-file';
import { parseDotenv } from './dotenv';
import type { Logger } from './logger';

/*
 * subnet.env tells the container runtime which subnet this node has (flannel-compat 7). Its readers are the CNI plugin,
 * mk-docker-opts.sh, systemd's EnvironmentFile= and this daemon at its next start, so names, order and the ".1" form of the
 * subnet are fixed. Reading is tolerant, since anything may have edited the file: what cannot be used is named in the log and
 * left out.
 */

export interface SubnetEnv {
  /** Both of a family are set, or neither. */
  readonly network: Ipv4Prefix | null;
  readonly subnet: Ipv4Prefix | null;
  readonly ipv6Network: Ipv6Prefix | null;
  readonly ipv6Subnet: Ipv6Prefix | null;
  /** MTU for pods. */
  readonly mtuBytes: number;
  readonly ipMasq: boolean;
}

/** The file's text. Subnets appear as their first host address with the prefix length: 10.42.0.1/24. */
export function renderSubnetEnv(env: SubnetEnv): string {
  const lines = [
    env.network && `FLANNEL_NETWORK=${env.network.toString()}`,
    env.subnet && `FLANNEL_SUBNET=${env.subnet.address.add(1).toString()}/${env.subnet.length}`,
    env.ipv6Network && `FLANNEL_IPV6_NETWORK=${env.ipv6Network.toString()}`,
    env.ipv6Subnet && `FLANNEL_IPV6_SUBNET=${env.ipv6Subnet.address.add(1n).toString()}/${env.ipv6Subnet.length}`,
    `FLANNEL_MTU=${env.mtuBytes}`,
    `FLANNEL_IPMASQ=${env.ipMasq}`,
  ];
  return lines.filter((line) => line !== null).join('\n') + '\n';
}

/** Writes the file durably and in one step; see writeFileAtomic for errors. */
export function writeSubnetEnv(path: string, env: SubnetEnv): Promise<'written' | 'unchanged'> {
  return writeFileAtomic({ path, data: renderSubnetEnv(env) });
}

/** What a file says; null for what it does not say in a usable way. */
export type ParsedSubnetEnv = { readonly [Key in keyof SubnetEnv]: SubnetEnv[Key] | null };

/** Never throws; what is left out is logged. */
export function parseSubnetEnv(text: string, logger: Logger): ParsedSubnetEnv {
  const values = parseDotenv(text);
  const prefix = <Prefix>(key: string, parse: (text: string) => Prefix): Prefix | null =>
    onlyPrefix(key, values.get(key), parse, logger);
  return {
    network: prefix('FLANNEL_NETWORK', (value) => Ipv4Prefix.parse(value)),
    subnet: prefix('FLANNEL_SUBNET', (value) => Ipv4Prefix.parse(value)),
    ipv6Network: prefix('FLANNEL_IPV6_NETWORK', (value) => Ipv6Prefix.parse(value)),
    ipv6Subnet: prefix('FLANNEL_IPV6_SUBNET', (value) => Ipv6Prefix.parse(value)),
    mtuBytes: /^\d{1,9}$/.test(values.get('FLANNEL_MTU') ?? '') ? Number(values.get('FLANNEL_MTU')) : null,
    ipMasq: values.has('FLANNEL_IPMASQ') ? values.get('FLANNEL_IPMASQ') === 'true' : null,
  };
}

/** null when there is no such file, or when it cannot be read (logged): the previous subnet is a wish, not a need. */
export async function readSubnetEnv(path: string, logger: Logger): Promise<ParsedSubnetEnv | null> {
  try {
    return parseSubnetEnv(await readFile(path, 'utf8'), logger.child({ path }));
  } catch (error) {
    const errnoName = errnoNameOf(error);
    if (errnoName !== 'ENOENT') logger.warn('subnet file cannot be read, going on without it', { path, errnoName });
    return null;
  }
}

/** A value may be a comma list; unless exactly one element is usable it counts as empty, as the original has it. */
function onlyPrefix<Prefix>(
  key: string,
  value: string | undefined,
  parse: (text: string) => Prefix,
  logger: Logger,
): Prefix | null {
  const elements = (value ?? '').split(',').map((element) => element.trim());
  const usable = elements.filter(Boolean).flatMap((element) => {
    try {
      return [parse(element)];
    } catch (error) {
      logger.warn('subnet file has an unusable value', { key, value: element, reason: reasonOf(error) });
      return [];
    }
  });
  if (usable.length > 1) logger.warn('subnet file has more than one value where one is wanted', { key, value });
  return usable.length === 1 ? (usable[0] as Prefix) : null;
}

function reasonOf(error: unknown): string {
  return error instanceof TartanError ? error.message : String(error);
}

import { nodeStatusPath } from '@tartan/cni';
import {
  type BackendModule,
  type CommandRunner,
  type DaemonOptions,
  type KernelOp,
  type Leftover,
  type Logger,
  type Route,
  type RtNetlink,
  LastClusterStore,
  LastLeaseStore,
  ROUTE_PROTOCOL_TARTAN,
  cleanupTraffic,
} from '@tartan/core';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type CleanUpScope, findScope, ownsDevice, ownsPrefix } from './clean-up-scope';
import { lastLeaseKey } from './datastores';
import { resumeFile } from './resume-file';

/*
 * `tartand --cleanup`: removes what this daemon made on this host, and nothing else. Ours are rules in flannel's tables and chains, routes with our
 * protocol number, and devices that a backend calls its own, as far as they belong to this daemon and not to another one here (clean-up-scope.ts).
 * No datastore is asked. Everything is listed before it goes; with --dry-run it is only listed.
 */

export interface CleanUpOptions {
  readonly options: Pick<
    DaemonOptions,
    'subnetFile' | 'stateDir' | 'dryRun' | 'datastore' | 'etcdPrefix' | 'kubeAnnotationPrefix'
  >;
  readonly netlink: RtNetlink;
  readonly runner: CommandRunner;
  /** All that may have made devices here. */
  readonly backends: readonly Pick<BackendModule, 'isOwnDevice' | 'leftovers'>[];
  readonly logger: Logger;
  /** One line to the operator. */
  readonly tell: (line: string) => void;
}

/** True when everything went (or would go), also when there was nothing. */
export async function cleanUp(input: CleanUpOptions): Promise<boolean> {
  const { options, tell } = input;
  const place = { directory: options.stateDir, key: lastLeaseKey(options), logger: input.logger };
  const memory = new LastLeaseStore(place);
  const cluster = new LastClusterStore({ ...place, machine: undefined });
  const scope = await findScope(input, memory);
  tell(headline(scope, options.dryRun));
  for (const { key, path } of scope.others) {
    tell(`  left alone: what belongs to the daemon with --subnet-file=${key.subnetFile} (${key.datastore}, ${path})`);
  }
  const rules = await removeRules(scope, input);
  const { objects, leftovers } = await ownObjects(scope, input);
  const leftoversDone = await removeLeftovers(leftovers, input);
  const kernelDone = await removeFromKernel(objects, input);
  const { subnetFile, stateDir } = options;
  const state = [memory.path, cluster.path, resumeFile(stateDir, place.key)];
  const files = [subnetFile, nodeStatusPath(subnetFile), ...state].filter((file) => existsSync(file));
  for (const file of files) {
    tell(`  file ${file}`);
    if (!options.dryRun) await rm(file, { force: true });
  }
  if (rules.found + leftovers.length + objects.length + files.length === 0) tell('  nothing is there');
  return leftoversDone && kernelDone && rules.done && !scope.failed;
}

function headline({ known, networks }: CleanUpScope, dryRun: boolean): string {
  const verb = dryRun ? 'would remove' : 'removing';
  if (known) return `${verb} what belongs to ${networks.join(', ')}`;
  const found = networks.length === 0 ? '' : `; rules speak of ${networks.join(', ')}`;
  return `${verb} all that bears the marks of tartand, since no subnet file and no remembered lease names a network${found}`;
}

async function removeRules(
  { networks }: CleanUpScope,
  { options, runner, tell }: CleanUpOptions,
): Promise<{ readonly found: number; readonly done: boolean }> {
  const steps = await cleanupTraffic({ networks, dryRun: options.dryRun, runner });
  for (const { tool, lines, error } of steps) {
    for (const line of lines) tell(`  ${tool}: ${line}`);
    if (error) tell(`  ${tool}: FAILED: ${error.message}`);
  }
  return { found: steps.length, done: steps.every(({ error }) => error === undefined) };
}

interface OwnObject {
  readonly text: string;
  readonly op: KernelOp;
}

/** Routes before devices, with which many of them would go unlisted. */
async function ownObjects(
  scope: CleanUpScope,
  { netlink, backends }: CleanUpOptions,
): Promise<{ readonly objects: readonly OwnObject[]; readonly leftovers: readonly Leftover[] }> {
  const [routes, links, addresses] = await Promise.all([
    netlink.listRoutes({ protocol: ROUTE_PROTOCOL_TARTAN }),
    netlink.listLinks(),
    netlink.listAddresses(),
  ]);
  const devices = links.filter((link) => backends.some((backend) => backend.isOwnDevice?.(link) === true));
  const owned = devices.filter(({ index }) =>
    ownsDevice(
      scope,
      addresses.filter(({ ifindex }) => ifindex === index),
    ),
  );
  const belongToOthers = devices.filter((link) => !owned.includes(link));
  const mayAsk = backends.filter((backend) => !belongToOthers.some((link) => backend.isOwnDevice?.(link) === true));
  const leftovers = await Promise.all(mayAsk.map(async (backend) => (await backend.leftovers?.(netlink)) ?? []));
  const objects = [
    ...routes
      .filter(({ dst }) => ownsPrefix(scope, dst))
      .map((route) => ({ text: `route ${route.dst.toString()}`, op: routeDelete(route) })),
    ...owned.map(({ name, index }) => ({
      text: `device ${name}`,
      op: { op: 'link-delete' as const, ifindex: index },
    })),
  ];
  return { objects, leftovers: leftovers.flat() };
}

async function removeLeftovers(
  leftovers: readonly Leftover[],
  { options, tell }: Pick<CleanUpOptions, 'options' | 'tell'>,
): Promise<boolean> {
  let done = true;
  for (const leftover of leftovers) {
    tell(`  ${leftover.text}`);
    if (options.dryRun) continue;
    try {
      await leftover.remove();
    } catch (error) {
      tell(`  ${leftover.text}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
      done = false;
    }
  }
  return done;
}

function routeDelete({ dst, metric, type, gateway, oif, table, protocol }: Route): KernelOp {
  return {
    op: 'route-delete',
    route: { dst, metric, type, table, protocol, ...(gateway && { gateway }), ...(oif !== undefined && { oif }) },
  };
}

async function removeFromKernel(
  objects: readonly OwnObject[],
  { netlink, options, tell }: CleanUpOptions,
): Promise<boolean> {
  for (const { text } of objects) tell(`  ${text}`);
  if (options.dryRun) return true;
  const results = await netlink.apply(objects.map(({ op }) => op));
  results.forEach((result, index) => {
    if (!result.ok) tell(`  ${objects[index]?.text ?? ''}: FAILED: ${result.error.message}`);
  });
  return results.every(({ ok }) => ok);
}

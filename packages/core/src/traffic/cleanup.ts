import { isTartanError } from '../errors';
import type { IpPrefix } from '../ip';
import type { CommandRunner } from './command/command-runner';
import { readSystemText, type ReadText } from './iptables/registered-tables';
import { planTasks, type TrafficTask } from './pass-tasks';
import { ensureRules } from './rule-driver';
import { detectTools, type TrafficTools } from './traffic-tools';

export interface TrafficCleanupOptions {
  /** Whose rules go. Those of other networks in the same chains stay. */
  readonly networks: readonly IpPrefix[];
  /** Tell only. */
  readonly dryRun: boolean;
  readonly runner: CommandRunner;
  readonly readText?: ReadText;
}

/** Rules in one place: the tool with its family, and the lines that it is fed with. */
export interface TrafficCleanupStep {
  readonly tool: string;
  readonly lines: readonly string[];
  /** Why it could not be done, or not even be looked at. */
  readonly error?: Error;
}

/** What rules in flannel's chains say of the networks that they were written for; for a host on which nothing else is known. */
export interface TrafficDiscovery {
  readonly networks: readonly IpPrefix[];
  /** Places that could not be looked at. */
  readonly failed: readonly TrafficCleanupStep[];
}

/** Looks, and changes nothing. Rejects only when aborted. */
export async function discoverTrafficNetworks(
  { runner, readText = readSystemText }: Pick<TrafficCleanupOptions, 'runner' | 'readText'>,
  signal?: AbortSignal,
): Promise<TrafficDiscovery> {
  const tools = await detectTools({ runner, readText }, 4, signal);
  const found = new Map<string, IpPrefix>();
  const failed: TrafficCleanupStep[] = [];
  for (const { name, family, driver } of allPlaces(tools, [])) {
    try {
      for (const network of await driver.networks(family, signal)) found.set(network.toString(), network);
    } catch (error) {
      if (!isTartanError(error)) throw error;
      failed.push({ tool: name, lines: [], error });
    }
  }
  return { networks: [...found.values()], failed };
}

function allPlaces(tools: TrafficTools, networks: readonly IpPrefix[]): readonly TrafficTask[] {
  return planTasks({ mode: 'none', tools, rules: [], networks, everyFamily: true }).sweeps;
}

/** Removes all masquerade and forward rules of `networks`, whichever tool wrote them. Places where nothing is left are not told. Rejects only when aborted. */
export async function cleanupTraffic(
  options: TrafficCleanupOptions,
  signal?: AbortSignal,
): Promise<TrafficCleanupStep[]> {
  const { networks, dryRun, runner, readText = readSystemText } = options;
  const tools = await detectTools({ runner, readText }, 4, signal);
  const steps: TrafficCleanupStep[] = [];
  for (const { name, driver, wanted } of allPlaces(tools, networks)) {
    let lines: string[] = [];
    try {
      const { input } = await driver.plan(wanted, networks, signal);
      lines = input.split('\n').filter(Boolean);
      if (lines.length > 0 && !dryRun) await ensureRules(driver, wanted, networks, signal);
      if (lines.length > 0) steps.push({ tool: name, lines });
    } catch (error) {
      if (!isTartanError(error)) throw error;
      steps.push({ tool: name, lines, error });
    }
  }
  return steps;
}

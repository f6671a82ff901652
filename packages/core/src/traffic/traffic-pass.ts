import { isTartanError } from '../errors';
import type { IpPrefix } from '../ip';
import type { ChainRole } from './rules/traffic-rule';
import { ensureRules } from './rule-driver';
import type { PassTasks, TrafficTask } from './pass-tasks';

export interface TaskResult {
  readonly task: TrafficTask;
  /** Chains that were written. */
  readonly written: readonly ChainRole[];
  /** Why it failed. */
  readonly error?: Error;
}

export interface PassResult {
  readonly rules: readonly TaskResult[];
  readonly guards: readonly TaskResult[];
  readonly sweeps: readonly TaskResult[];
}

export interface PassInput {
  readonly tasks: PassTasks;
  readonly networks: readonly IpPrefix[];
  /** Tasks that are left alone this time, because somebody fights over them. */
  readonly resting: (task: TrafficTask) => boolean;
  /** Nothing was left elsewhere when this was looked at last. */
  readonly swept: boolean;
}

/**
 * Works through the steps of a pass. Families do not wait for each other, and a failing one does not stop the others; but nothing is taken away
 * elsewhere before all rules are in force. Rejects only when aborted.
 */
export async function runTrafficPass(input: PassInput, signal?: AbortSignal): Promise<PassResult> {
  const { tasks, networks, resting, swept } = input;
  const run = (list: readonly TrafficTask[]): Promise<TaskResult[]> =>
    Promise.all(list.filter((task) => !resting(task)).map((task) => runTask(task, networks, signal)));
  // Where the tool is missing there is nothing of ours, nor of anybody's, that it could show.
  const runElsewhere = async (list: readonly TrafficTask[]): Promise<TaskResult[]> =>
    (await run(list)).map((one) =>
      isTartanError(one.error, 'TRAFFIC_TOOL_MISSING') ? { task: one.task, written: [] } : one,
    );
  const rules = await run(tasks.rules);
  const guards = await runElsewhere(tasks.guards);
  const inForce = rules.length === tasks.rules.length && rules.every(({ error }) => !error);
  return { rules, guards, sweeps: inForce && !swept ? await runElsewhere(tasks.sweeps) : [] };
}

async function runTask(task: TrafficTask, networks: readonly IpPrefix[], signal?: AbortSignal): Promise<TaskResult> {
  try {
    return { task, written: await ensureRules(task.driver, task.wanted, networks, signal) };
  } catch (error) {
    if (signal?.aborted || !isTartanError(error)) throw error;
    return { task, written: [], error };
  }
}

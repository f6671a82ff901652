import { isTartanError } from '../errors';
import type { IpPrefix } from '../ip';
import type { PassTrigger } from '../reconcile';
import { FightWatch } from '../reconcile/fights';
import { PassSchedule } from '../reconcile/pass-schedule';
import { BackOff, type Clock, type Logger, type Random } from '../runtime';
import { chooseMode, type ModeDecision, type TrafficManagerChoice, type TrafficMode } from './choose-mode';
import type { CommandRunner } from './command/command-runner';
import { countingRunner } from './command/counting-runner';
import type { SysctlAccess } from './findings/inspect-sysctls';
import { contestedFinding, fallbackFindings, taskFinding, unusableFinding } from './findings/pass-findings';
import { GenerationWatch } from './generation-watch';
import { inspectHost, networksOf } from './host-inspection';
import { readSystemText, type ReadText } from './iptables/registered-tables';
import { noTrafficMetrics, type TrafficMetrics } from './metrics';
import type { NftGeneration } from './nftables/nft-generation';
import { passIntervalMs } from './pass-intervals';
import { outsideNftables, planTasks, type PassTasks, type TrafficTask } from './pass-tasks';
import { planRules } from './rules/plan-rules';
import { Statement } from './statement';
import { TrafficBoard } from './traffic-board';
import type { DesiredTraffic, TrafficManager, TrafficPolicy, TrafficStatus } from './traffic-manager';
import { runTrafficPass, type PassResult, type TaskResult } from './traffic-pass';
import { detectTools, type TrafficTools } from './traffic-tools';

/*
 * Keeps masquerade and forward rules as they must be. Like the reconciler it compares the whole of what must hold with what does, and
 * writes only the difference; a pass starts when rules are stated, when nftables has changed, after a failure, and from time to
 * time. What was never stated is never touched, and stopping removes nothing.
 */

export interface TrafficManagerOptions {
  /** --traffic-manager */
  readonly choice: TrafficManagerChoice;
  readonly policy: TrafficPolicy;
  readonly runner: CommandRunner;
  /** Usually the RtNetlink. */
  readonly sysctls: SysctlAccess;
  /** --manage-sysctls; off unless told. */
  readonly manageSysctls?: boolean;
  /** Without it changes in nftables are looked for by listing the rules every second. Closed by the caller. */
  readonly generation?: NftGeneration;
  /** Networks of the last run: their rules are ours too, and removed when no longer wanted. */
  readonly previousNetworks?: readonly IpPrefix[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  readonly metrics?: TrafficMetrics;
  readonly readText?: ReadText;
  /** --iptables-resync in milliseconds; 5,000 unless told. */
  readonly resyncMs?: number;
  /** Milliseconds between two looks at what is around the rules; 60,000 unless told. */
  readonly inspectionMs?: number;
  /** First and longest delay of a retry, milliseconds; 200 and 30,000 unless told. */
  readonly retry?: { readonly initialMs: number; readonly maxMs: number };
  /** Called after every pass; must not throw. */
  readonly onPass?: (status: TrafficStatus) => void;
}

const GENERATION_POLL_MS = 250;
/** Passes that others cause are at least so far apart; with the poll it stays within the second in which drift is to be noticed. */
const EVENT_SPACING_MS = 500;

export function createTrafficManager(options: TrafficManagerOptions): TrafficManager {
  return new LevelTriggeredTrafficManager(options);
}

class LevelTriggeredTrafficManager implements TrafficManager {
  private readonly runner: CommandRunner;
  private readonly metrics: TrafficMetrics;
  private readonly random: Random;
  private readonly schedule: PassSchedule;
  private readonly watch: GenerationWatch;
  private readonly fights: FightWatch;
  private readonly board: TrafficBoard;
  private readonly retry: BackOff;
  /** Every network that was ever ours in this life, by its text. */
  private readonly networks = new Map<string, IpPrefix>();
  private stated: Statement | undefined;
  private tools: TrafficTools | undefined;
  private mode: TrafficMode | null = null;
  private lastPassAt = -Infinity;

  constructor(private readonly options: TrafficManagerOptions) {
    const { clock, logger, random = Math.random, retry = { initialMs: 200, maxMs: 30_000 } } = options;
    this.metrics = options.metrics ?? noTrafficMetrics;
    this.runner = countingRunner(options.runner, this.metrics);
    this.random = random;
    this.schedule = new PassSchedule(clock);
    this.watch = new GenerationWatch({
      generation: options.generation,
      clock,
      intervalMs: GENERATION_POLL_MS,
      onChange: () => this.noticeChange(),
    });
    this.fights = new FightWatch({ clock, random, maxRestMs: 30_000 });
    this.board = new TrafficBoard(logger, this.metrics);
    this.retry = new BackOff({ ...retry, random });
    this.own(options.previousNetworks ?? []);
  }

  setRules(desired: DesiredTraffic): void {
    this.own(networksOf(desired));
    this.stated = new Statement(desired, planRules(desired, this.options.policy), this.stated);
    this.board.restate();
    this.schedule.request('change');
  }

  requestPass(): void {
    this.schedule.request('event');
  }

  async run(signal: AbortSignal): Promise<void> {
    const watching = this.watch.run(signal);
    try {
      for (;;) {
        const trigger = await this.schedule.next(signal);
        if (trigger === undefined) return;
        if (this.stated) await this.pass(trigger, this.stated, signal);
      }
    } finally {
      this.schedule.close();
      await watching;
    }
  }

  whenSynced(signal?: AbortSignal): Promise<void> {
    return this.board.whenSynced(signal);
  }

  status(): TrafficStatus {
    return this.board.status;
  }

  private own(networks: readonly IpPrefix[]): void {
    for (const network of networks) this.networks.set(network.toString(), network);
  }

  /** Rules of the legacy flavour do not live in nftables: whatever changed there is none of our business then. */
  private noticeChange(): void {
    if (this.mode === 'iptables' && this.tools?.iptables[0]?.variant.flavour === 'legacy') return;
    const since = this.options.clock.monotonic() - this.lastPassAt;
    this.schedule.request('event', Math.max(0, EVENT_SPACING_MS - since));
  }

  private async pass(trigger: PassTrigger, stated: Statement, signal: AbortSignal): Promise<void> {
    const { clock, onPass } = this.options;
    const startedAt = clock.monotonic();
    try {
      await this.attempt(trigger, stated, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.breakOff(stated, error);
    }
    this.lastPassAt = clock.monotonic();
    this.metrics.pass(trigger, (this.lastPassAt - startedAt) / 1000, this.board.status.problem === null);
    this.schedule.request('periodic', this.periodicMs());
    onPass?.(this.status());
  }

  private async attempt(trigger: PassTrigger, stated: Statement, signal: AbortSignal): Promise<void> {
    const generation = await this.watch.mark();
    const tools = await this.detect(stated, signal);
    const decision = this.decide(stated, tools);
    if (decision.mode === null) {
      this.concludeWithout(stated, decision);
    } else {
      this.enterMode(stated, decision.mode);
      const networks = [...this.networks.values()];
      const all = planTasks({ mode: decision.mode, tools, rules: stated.rules, networks });
      const tasks =
        trigger === 'periodic' && stated.isStillRight(generation, this.options.clock.monotonic())
          ? outsideNftables(all)
          : all;
      const resting = ({ name }: TrafficTask): boolean => this.fights.resting(name);
      const result = await runTrafficPass({ tasks, networks, resting, swept: stated.swept }, signal);
      this.concludeTasks(stated, decision, tasks, result);
      if (tasks === all) stated.remember(tasks, result, generation, this.options.clock.monotonic());
    }
    await this.inspect(stated, tools, signal);
  }

  private async detect({ desired }: Statement, signal: AbortSignal): Promise<TrafficTools> {
    const { readText = readSystemText } = this.options;
    const family = desired.ipv4 || !desired.ipv6 ? 4 : 6;
    return (this.tools ??= await detectTools({ runner: this.runner, readText }, family, signal));
  }

  private decide({ desired }: Statement, { nft, iptables }: TrafficTools): ModeDecision {
    return chooseMode({
      choice: this.options.choice,
      enableNFTables: desired.enableNFTables,
      nftables: nft.detection.usable ? null : nft.detection.reason,
      iptables: iptables.length > 0 ? null : 'the program iptables is not installed',
    });
  }

  private enterMode(stated: Statement, mode: TrafficMode): void {
    if (this.mode === mode) return;
    this.options.logger.info('traffic rules are kept', { mode, before: this.mode });
    this.mode = mode;
    stated.startAnew();
  }

  /** Without any tool nobody here blocks forwarding either, so only masquerading, or what was asked for by name, is missed. */
  private concludeWithout(stated: Statement, decision: Extract<ModeDecision, { mode: null }>): void {
    const { policy, choice } = this.options;
    const finding = unusableFinding(decision, policy.masquerade);
    const problem = policy.masquerade || choice !== 'auto' ? finding.message : null;
    this.mode = null;
    this.tools = undefined;
    this.retryLater();
    this.conclude(stated, { synced: problem === null, problem, familyProblem: () => problem, findings: [finding] });
  }

  private concludeTasks(stated: Statement, decision: ModeDecision, tasks: PassTasks, result: PassResult): void {
    const all = [...result.rules, ...result.guards, ...result.sweeps];
    for (const one of all) this.enter(stated, one);
    const failures = all.filter(({ error }) => error);
    const problems = tasks.rules.flatMap((task) => this.problemOf(task, result) ?? []);
    if (problems.length === 0 && result.sweeps.every(({ error }) => !error)) stated.swept = true;
    if (failures.length > 0) this.retryLater();
    else this.retry.reset();
    this.retryAfterRest(tasks);
    this.conclude(stated, {
      synced: problems.length === 0 && failures.length === 0,
      problem: problems.length === 0 ? null : problems.map(({ text }) => text).join('; '),
      familyProblem: (family) => problems.find((problem) => problem.family === family)?.text ?? null,
      findings: [
        ...fallbackFindings(decision),
        ...failures.map(({ task, error }) => taskFinding(task.name, error as Error)),
        ...this.fights.findings().map(contestedFinding),
      ],
    });
  }

  private problemOf(task: TrafficTask, { rules }: PassResult): { family: 4 | 6; text: string } | undefined {
    const { name, family } = task;
    const result = rules.find((one) => one.task === task);
    if (!result) return { family, text: `${name}: somebody keeps changing the rules` };
    return result.error && { family, text: `${name}: ${result.error.message}` };
  }

  private enter(stated: Statement, { task, written, error }: TaskResult): void {
    const { name, family } = task;
    const drift = stated.settled.has(name);
    for (const role of written) this.metrics.written(family, role, drift ? 'drift' : 'change');
    if (written.length > 0) this.options.logger.info('traffic rules written', { tool: name, chains: written, drift });
    if (written.length > 0 && drift) this.fights.repaired(name, `rules of ${name}`);
    if (!error) stated.settled.add(name);
    // What is not installed any more has to be looked for again.
    if (isTartanError(error, 'TRAFFIC_TOOL_MISSING')) this.tools = undefined;
  }

  private retryLater(): void {
    this.schedule.request('retry', this.retry.next());
  }

  private retryAfterRest({ rules, guards }: PassTasks): void {
    const released = this.fights.nextReleaseMs([...rules, ...guards].map(({ name }) => name));
    if (released !== undefined) this.schedule.request('retry', released);
  }

  /** Not foreseen; the rules must not be left alone for ever because of it. */
  private breakOff(stated: Statement, error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error);
    if (this.board.status.problem !== problem) {
      this.options.logger.error('masquerade and forward rules could not be compared', { error });
    }
    this.conclude(stated, { synced: false, problem, familyProblem: () => problem, findings: [] });
    this.retryLater();
  }

  private conclude(
    stated: Statement,
    { synced, ...rest }: Omit<Parameters<TrafficBoard['conclude']>[0], 'mode' | 'rules'>,
  ): void {
    this.board.conclude({ ...rest, mode: this.mode, rules: stated.rules, synced: synced && stated === this.stated });
  }

  private async inspect(stated: Statement, tools: TrafficTools, signal: AbortSignal): Promise<void> {
    const { clock, policy, sysctls, manageSysctls = false, logger, inspectionMs = 60_000 } = this.options;
    if (clock.monotonic() - stated.inspectedAt < inspectionMs) return;
    stated.inspectedAt = clock.monotonic();
    const { desired } = stated;
    const { mode } = this;
    this.board.showHost(await inspectHost({ mode, tools, desired, policy, sysctls, manageSysctls, logger }, signal));
  }

  private periodicMs(): number {
    const intervalMs = passIntervalMs({
      mode: this.mode,
      noticesChanges: this.watch.works,
      hasLegacy: this.tools?.iptables.some(({ variant }) => variant.flavour === 'legacy') ?? false,
      resyncMs: this.options.resyncMs ?? 5_000,
    });
    return intervalMs * (0.9 + 0.2 * this.random());
  }
}

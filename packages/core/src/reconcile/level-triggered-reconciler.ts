import type { Plan } from '../backend';
import type { KernelEvent, KernelEventGroup, KernelSubscription } from '../netlink';
import { BackOff } from '../runtime';
import { indexDesired, type DesiredIndex } from './desired-index';
import { DriftWatch } from './drift-watch';
import { FightWatch } from './fights';
import { FindingBoard } from './finding-board';
import type { Finding } from './kernel-state';
import { noReconcileMetrics } from './metrics';
import { runDiffPass, runPass, type PassInput, type PassOutcome } from './pass';
import { brokenPassFinding, distinctFindings, failureFindings, waitingFindings } from './pass-findings';
import { PassLedger, routeCounts, type Installed } from './pass-ledger';
import { PassSchedule, type PassTrigger } from './pass-schedule';
import { diffPlans, type PlanDiff } from './plan-diff';
import type { PassSummary, Reconciler, ReconcilerOptions, ReconcilerStatus } from './reconciler';
import { createProtocolNames, ROUTE_PROTOCOL_TARTAN } from './route-protocol';
import { Waiters } from './waiters';

/*
 * Keeps the kernel as the plan wants it. The plan is a whole set, each pass compares it with what the kernel really
 * holds, so a lost, repeated or reordered event cannot leave anything wrong for longer than one pass. One shortcut: while
 * nothing contradicts the last plan, another plan is compared with that one instead (plan-diff.ts).
 *
 * A pass starts when the plan changes, when a kernel notification contradicts it, after a failure (back-off with jitter), and
 * from time to time anyway. Passes never overlap. Before the first plan nothing is read, changed or deleted, and a plan is only
 * made from a complete snapshot; so a daemon that starts while the datastore is down leaves the last run's routes in force. A
 * snapshot that is remembered from the last run makes a plan that only adds: after a boot the kernel has nothing else.
 *
 * Stopping deletes nothing: traffic goes on without us.
 */

/** A burst longer than this is not kept event by event: the pass after it reads everything anyway. */
const MAX_HELD_EVENTS = 10_000;

export function createReconciler(options: ReconcilerOptions): Reconciler {
  return new LevelTriggeredReconciler(options);
}

/** Every desired object is in place; what a foreign one blocks is not. */
function isSettled({ failed, rested, waiting, blocked }: PassOutcome): boolean {
  return failed.length + rested.length + waiting.length + blocked.length === 0;
}

type PassResult = { readonly outcome: PassOutcome } | { readonly error: unknown };

class LevelTriggeredReconciler implements Reconciler {
  private readonly random;
  private readonly metrics;
  private readonly protocolName;
  private readonly schedule: PassSchedule;
  private readonly drift: DriftWatch;
  private readonly fights: FightWatch;
  private readonly ledger: PassLedger;
  private readonly board: FindingBoard;
  private readonly retry: BackOff;
  private readonly waiters = new Waiters();
  private installed: Installed | undefined;
  /** Events that came during the pass under way; judged afterwards, against what it has read. */
  private held: KernelEvent[] | undefined;
  /** The plan that the kernel was left with, as long as nothing was heard or missed since: see plan-diff.ts. */
  private settled: DesiredIndex | undefined;
  /** What the last full pass found in the kernel. */
  private kernelFindings: readonly Finding[] = [];
  private running = false;
  private readonly subscriptions: KernelSubscription[] = [];
  /** Subscriptions that do not stand yet. */
  private deafTo = 0;
  private watchesNeighbours = false;
  private current: Omit<ReconcilerStatus, 'findings'> = {
    firstPassDone: false,
    synced: false,
    lastPass: null,
    passes: 0,
    routes: { desired: 0, programmed: 0, waiting: 0, blocked: 0, failed: 0 },
  };

  constructor(private readonly options: ReconcilerOptions) {
    const { clock, logger, retry = { initialMs: 200, maxMs: 30_000 } } = options;
    this.random = options.random ?? Math.random;
    this.metrics = options.metrics ?? noReconcileMetrics;
    this.protocolName = options.protocolName ?? createProtocolNames();
    this.schedule = new PassSchedule(clock);
    this.drift = new DriftWatch(this.protocolName);
    this.fights = new FightWatch({ ...options.fights, clock, random: this.random });
    this.ledger = new PassLedger({ metrics: this.metrics, drift: this.drift, fights: this.fights });
    this.board = new FindingBoard(logger);
    this.retry = new BackOff({ ...retry, random: this.random });
  }

  setPlan(plan: Plan): void {
    const { networks, routeProtocol = ROUTE_PROTOCOL_TARTAN } = this.options;
    const index = indexDesired(plan.desired, { ...plan.ownership, routeProtocol, networks }, plan.addOnly);
    this.installed = { plan, index, undone: null };
    this.current = { ...this.current, synced: false };
    this.drift.setIndex(index);
    this.watchNeighbours();
    this.schedule.request('change');
  }

  requestPass(): void {
    this.settled = undefined;
    this.schedule.request('event');
  }

  async run(signal: AbortSignal): Promise<void> {
    this.running = true;
    this.subscribe(['link', 'address', 'route']);
    this.watchNeighbours();
    try {
      for (;;) {
        const trigger = await this.schedule.next(signal);
        if (trigger === undefined) return;
        if (this.installed) await this.pass(trigger, this.installed);
      }
    } finally {
      this.running = false;
      this.schedule.close();
      for (const subscription of this.subscriptions.splice(0)) subscription.close();
    }
  }

  whenFirstPassDone(signal?: AbortSignal): Promise<void> {
    return this.waiters.until(() => this.current.firstPassDone, signal);
  }

  whenSynced(signal?: AbortSignal): Promise<void> {
    return this.waiters.until(() => this.current.synced, signal);
  }

  status(): ReconcilerStatus {
    return { ...this.current, findings: this.board.current };
  }

  /** Notifications are lost until a subscription stands, so a pass follows as soon as it does. */
  private subscribe(groups: readonly KernelEventGroup[]): void {
    const subscription = this.options.netlink.subscribe(groups, (event) => this.onEvent(event));
    this.subscriptions.push(subscription);
    this.deafTo++;
    subscription.ready.then(
      () => {
        this.deafTo--;
        this.settled = undefined;
        if (this.running && this.current.passes > 0) this.schedule.request('event');
      },
      (error: unknown) => {
        if (this.running) this.options.logger.warn('no kernel notifications, periodic passes only', { error });
      },
    );
  }

  /** A host's own ARP traffic is loud; only a backend with devices of its own needs to hear it. */
  private watchNeighbours(): void {
    if (!this.running || this.watchesNeighbours || !this.installed || this.installed.index.devices.size === 0) return;
    this.watchesNeighbours = true;
    this.subscribe(['neighbour']);
  }

  private onEvent(event: KernelEvent): void {
    if (!this.held) this.judge(event);
    else if (this.held.length < MAX_HELD_EVENTS) this.held.push(event);
    else this.held = [{ type: 'resync' }];
  }

  private judge(event: KernelEvent): void {
    if (!this.drift.concerns(event)) return;
    this.settled = undefined;
    this.schedule.request('event', this.options.eventDelayMs ?? 10);
  }

  private async pass(trigger: PassTrigger, installed: Installed): Promise<void> {
    const { clock } = this.options;
    const startedAt = clock.monotonic();
    this.held = [];
    const diff = trigger === 'change' ? this.shortcut(installed) : undefined;
    const result = await this.attempt(installed, diff);
    const held = this.held;
    this.held = undefined;
    // What an add-only plan has left there is not in it, so it does not tell what the kernel holds.
    const settled = 'outcome' in result && isSettled(result.outcome) && !installed.index.addOnly;
    this.settled = settled ? installed.index : undefined;
    if (!diff && 'outcome' in result) this.kernelFindings = result.outcome.findings;
    for (const event of held) this.judge(event);
    const durationMs = clock.monotonic() - startedAt;
    if ('outcome' in result) this.concludeOutcome(installed, result.outcome);
    else this.concludeError(installed, result.error);
    // What the shortcut could not do, a look at the kernel explains.
    if (diff && !this.settled) this.schedule.request('event');
    this.summarize(trigger, durationMs, result);
    this.schedule.request('periodic', (this.options.fullPassIntervalMs ?? 30_000) * (0.9 + 0.2 * this.random()));
    this.waiters.check();
    this.options.onPass?.(this.status());
  }

  private shortcut({ index }: Installed): PlanDiff | undefined {
    return this.settled && this.deafTo === 0 ? diffPlans(this.settled, index) : undefined;
  }

  private async attempt({ index }: Installed, diff: PlanDiff | undefined): Promise<PassResult> {
    const input: PassInput = {
      netlink: this.options.netlink,
      index,
      protocolName: this.protocolName,
      resting: (key) => this.fights.resting(key),
    };
    try {
      const outcome = await (diff ? runDiffPass(input, diff) : runPass(input));
      this.drift.setLinks(outcome.links);
      return { outcome };
    } catch (error) {
      return { error };
    }
  }

  private concludeOutcome(installed: Installed, outcome: PassOutcome): void {
    this.ledger.enter(installed, outcome);
    const { failed, rested, waiting } = outcome;
    this.showFindings([
      ...installed.plan.findings,
      ...this.kernelFindings,
      ...outcome.findings,
      ...failureFindings(failed),
      ...waitingFindings(waiting),
      ...this.fights.findings(),
    ]);
    const routes = routeCounts(installed.index, outcome);
    this.metrics.routes(routes);
    const synced = installed === this.installed && failed.length + rested.length + waiting.length === 0;
    this.current = { ...this.current, firstPassDone: true, synced, routes };
    if (failed.length === 0) this.retry.reset();
    else this.schedule.request('retry', this.retry.next());
    const released = this.fights.nextReleaseMs(rested);
    if (released !== undefined) this.schedule.request('retry', released);
  }

  /** The kernel could not be read: nothing is known, so nothing was changed. */
  private concludeError(installed: Installed, error: unknown): void {
    this.showFindings([...installed.plan.findings, brokenPassFinding(error)]);
    this.current = { ...this.current, synced: false };
    this.schedule.request('retry', this.retry.next());
  }

  private showFindings(findings: readonly Finding[]): void {
    const distinct = distinctFindings(findings);
    this.board.replace(distinct);
    this.metrics.findings(distinct);
  }

  private summarize(trigger: PassTrigger, durationMs: number, result: PassResult): void {
    const applied = 'outcome' in result ? result.outcome.applied.length : 0;
    const failed = 'outcome' in result ? result.outcome.failed.length : 0;
    const lastPass: PassSummary = { trigger, endedAt: this.options.clock.now(), durationMs, applied, failed };
    this.current = { ...this.current, lastPass, passes: this.current.passes + 1 };
    this.metrics.pass(trigger, durationMs / 1000, 'outcome' in result && failed === 0);
    const fields = { trigger, durationMs: Math.round(durationMs), applied, failed };
    if (applied > 0) this.options.logger.info('kernel brought to the plan', fields);
    else this.options.logger.debug('kernel compared with the plan', fields);
  }
}

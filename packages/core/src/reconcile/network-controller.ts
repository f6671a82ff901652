import type { BackendCapabilities, BackendNetwork, DataPathEvidence, Plan, UnderlayFacts } from '../backend';
import type { IpPrefix } from '../ip';
import type { LeaseSnapshot } from '../lease/lease';
import type { KernelEvent, KernelEventGroup, KernelSubscription, RtNetlink } from '../netlink';
import { BackOff, type Clock, type Logger, type Random } from '../runtime';
import { HostInspection } from './host-inspection';
import type { Finding } from './kernel-state';
import { noReconcileMetrics, type ReconcileMetrics } from './metrics';
import { PassSchedule } from './pass-schedule';
import type { Reconciler } from './reconciler';
import { gatherUnderlayFacts, noUnderlayFacts, peerAddresses, type GatheredFacts } from './underlay-facts';
import { UnderlayNeighbours } from './underlay-neighbours';
import { UnderlayWatch } from './underlay-watch';
import { Waiters } from './waiters';

/*
 * From snapshots of leases to plans: gathers the facts that a backend asks for, calls plan(), and hands the outcome to the
 * reconciler. plan() stays pure because everything it may look at is gathered here first.
 *
 * A plan that cannot be made (the backend throws, the kernel cannot be read) changes nothing: the last good plan stays in
 * force, the failure is shown, and the next snapshot, change of the underlay or retry tries again. The same goes for a plan that a
 * backend's own data path does not take. The data path comes before the kernel: a route that leads to it is made only once it
 * knows what to do with the packets.
 *
 * What a backend finds in its way on this host (`inspect`) goes with its plans, and comes and goes between them.
 */

export interface NetworkControllerOptions {
  readonly netlink: RtNetlink;
  readonly reconciler: Pick<Reconciler, 'setPlan'>;
  readonly networks: readonly IpPrefix[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  readonly metrics?: ReconcileMetrics;
  /** Milliseconds between looks at the underlay without a reason, give or take a tenth; 60,000 unless told. */
  readonly factsIntervalMs?: number;
  /** Milliseconds between two inspections of the host without a reason, give or take a tenth; 60,000 unless told. */
  readonly inspectionIntervalMs?: number;
  /** Milliseconds from a notification to a new look, so that a burst makes one; 50 unless told. */
  readonly eventDelayMs?: number;
  /** Called whenever `status().problem` comes, goes, or is another one; must not throw. */
  readonly onProblem?: (problem: string | null) => void;
}

/** The backend whose plans count. */
export interface ActiveNetwork {
  readonly network: BackendNetwork;
  readonly capabilities: BackendCapabilities;
}

export interface NetworkControllerStatus {
  /** Peers in the latest snapshot; null before the first. */
  readonly peers: number | null;
  /** Revision of the snapshot that the plan in force was made from. */
  readonly plannedRevision: string | null;
  /** Why the latest snapshot has no plan yet; null when it has one. */
  readonly problem: string | null;
}

export interface NetworkController {
  /** The backend to plan with from now on; the caller closes the one before it afterwards. */
  setNetwork(active: ActiveNetwork): void;
  /** All peers; only complete snapshots may come here. */
  setSnapshot(snapshot: LeaseSnapshot): void;
  /** Adds to what is known; the first report of each kind stays, so that plans do not go back and forth. */
  reportEvidence(evidence: DataPathEvidence): void;
  /** Works until the signal aborts; resolves once everything is released. Call it once. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves once the latest snapshot is planned with the latest network and all evidence. */
  whenPlanned(signal?: AbortSignal): Promise<void>;
  status(): NetworkControllerStatus;
}

export function createNetworkController(options: NetworkControllerOptions): NetworkController {
  return new PlanningController(options);
}

/** What the last plan was made from. */
interface Planned {
  readonly active: ActiveNetwork;
  readonly snapshot: LeaseSnapshot;
  readonly facts: GatheredFacts | null;
  readonly evidence: DataPathEvidence;
  /** How often a data path had lost what was programmed. */
  readonly losses: number;
}

class PlanningController implements NetworkController {
  private readonly random;
  private readonly metrics;
  private readonly schedule: PassSchedule;
  private readonly watch = new UnderlayWatch();
  private readonly neighbours = new UnderlayNeighbours();
  private readonly subscriptions: KernelSubscription[] = [];
  private watchesNeighbours = false;
  private dataPathWatch: { close(): void } | undefined;
  private running = false;
  private readonly retry: BackOff;
  private readonly waiters = new Waiters();
  private active: ActiveNetwork | undefined;
  private snapshot: LeaseSnapshot | undefined;
  private evidence: DataPathEvidence = {};
  private losses = 0;
  private planned: Planned | undefined;
  private plan: Plan | undefined;
  private readonly inspection: HostInspection;
  private hostFindings: readonly Finding[] = [];
  private problem: string | null = null;

  constructor(private readonly options: NetworkControllerOptions) {
    this.random = options.random ?? Math.random;
    this.metrics = options.metrics ?? noReconcileMetrics;
    this.schedule = new PassSchedule(options.clock);
    this.retry = new BackOff({ initialMs: 200, maxMs: 10_000, random: this.random });
    this.inspection = new HostInspection({
      ...options,
      random: this.random,
      onFindings: (findings) => {
        this.hostFindings = findings;
        this.handOver();
      },
    });
  }

  setNetwork(active: ActiveNetwork): void {
    this.active = active;
    this.watchDataPath();
    this.schedule.request('change');
  }

  setSnapshot(snapshot: LeaseSnapshot): void {
    this.snapshot = snapshot;
    this.schedule.request('change');
  }

  reportEvidence(evidence: DataPathEvidence): void {
    const merged = { ...evidence, ...this.evidence };
    if (Object.keys(merged).length === Object.keys(this.evidence).length) return;
    this.evidence = merged;
    this.schedule.request('change');
  }

  async run(signal: AbortSignal): Promise<void> {
    this.running = true;
    this.subscribe(['link', 'address', 'route']);
    this.watchDataPath();
    const inspecting = this.inspection.run(signal);
    try {
      while ((await this.schedule.next(signal)) !== undefined) {
        if (this.active && this.snapshot) await this.step(this.active, this.snapshot);
      }
    } finally {
      this.running = false;
      this.schedule.close();
      this.dataPathWatch?.close();
      for (const subscription of this.subscriptions.splice(0)) subscription.close();
      await inspecting;
    }
  }

  whenPlanned(signal?: AbortSignal): Promise<void> {
    return this.waiters.until(() => this.isPlanned(), signal);
  }

  status(): NetworkControllerStatus {
    const { snapshot, planned, problem } = this;
    return {
      peers: snapshot ? snapshot.leases.length : null,
      plannedRevision: planned ? planned.snapshot.revision : null,
      problem,
    };
  }

  private isPlanned(): boolean {
    const { planned, snapshot, active, evidence, losses } = this;
    if (planned?.losses !== losses) return false;
    return planned.snapshot === snapshot && planned.active === active && planned.evidence === evidence;
  }

  private subscribe(groups: readonly KernelEventGroup[]): void {
    this.subscriptions.push(this.options.netlink.subscribe(groups, (event) => this.onEvent(event)));
  }

  /** What the data path has lost is programmed again from the plan in force. */
  private watchDataPath(): void {
    this.dataPathWatch?.close();
    const { dataPath } = this.active?.network ?? {};
    if (!dataPath || !this.running) return;
    this.dataPathWatch = dataPath.watch(() => {
      this.losses++;
      this.schedule.request('event');
    });
  }

  private onEvent(event: KernelEvent): void {
    this.inspection.onEvent(event);
    const interest = this.active ? interestOf(this.active) : 'none';
    if (interest === 'none') return;
    const concerns = event.type === 'neighbour' ? this.neighbours.concerns(event) : this.watch.concerns(event);
    if (concerns) this.schedule.request('event', this.options.eventDelayMs ?? 50);
  }

  private async step(active: ActiveNetwork, snapshot: LeaseSnapshot): Promise<void> {
    const interest = interestOf(active);
    try {
      const facts = interest === 'none' ? null : await this.gather(snapshot, interest);
      const input: Planned = { active, snapshot, facts, evidence: this.evidence, losses: this.losses };
      if (this.isStale(input)) await this.makePlan(input);
      this.succeed();
    } catch (error) {
      this.fail(error);
    }
    if (interest !== 'none') {
      this.schedule.request('periodic', (this.options.factsIntervalMs ?? 60_000) * (0.9 + 0.2 * this.random()));
    }
    this.waiters.check();
  }

  private async gather(snapshot: LeaseSnapshot, interest: 'routes' | 'neighbours'): Promise<GatheredFacts> {
    const peers = peerAddresses(snapshot);
    if (interest === 'neighbours') this.watchNeighbours();
    const neighbours = interest === 'neighbours' ? this.neighbours : undefined;
    const facts = await gatherUnderlayFacts(this.options.netlink, peers, neighbours);
    this.watch.setScope({ networks: this.options.networks, peers, interfaces: facts.interfaces });
    return facts;
  }

  /** A host's own ARP traffic is loud; only a backend that asks for it needs to hear it. */
  private watchNeighbours(): void {
    if (this.watchesNeighbours || !this.running) return;
    this.watchesNeighbours = true;
    this.subscribe(['neighbour']);
  }

  private isStale({ active, snapshot, facts, evidence, losses }: Planned): boolean {
    const last = this.planned;
    if (last?.active !== active || last.snapshot !== snapshot) return true;
    if (last.evidence !== evidence || last.losses !== losses) return true;
    return facts !== null && last.facts?.equals(facts) !== true;
  }

  private async makePlan(input: Planned): Promise<void> {
    const underlay: UnderlayFacts = input.facts ?? noUnderlayFacts;
    const { snapshot, evidence, active } = input;
    const made = active.network.plan({ snapshot, underlay, evidence });
    const plan = snapshot.remembered ? { ...made, addOnly: true } : made;
    await active.network.dataPath?.program(plan);
    this.plan = plan;
    this.planned = input;
    this.handOver();
    this.inspection.inspect(active.network, snapshot);
  }

  private handOver(): void {
    if (!this.plan) return;
    const findings = [...this.plan.findings, ...this.hostFindings];
    this.options.reconciler.setPlan({ ...this.plan, findings });
  }

  private succeed(): void {
    this.schedule.cancel('retry');
    this.retry.reset();
    if (this.problem !== null) this.options.logger.info('plans are made again');
    this.setProblem(null);
  }

  private fail(error: unknown): void {
    this.metrics.planError();
    if (this.problem === null) {
      this.options.logger.error('no plan could be made, the last one stays in force', { error });
    }
    this.setProblem(error instanceof Error ? error.message : String(error));
    this.schedule.request('retry', this.retry.next());
  }

  private setProblem(problem: string | null): void {
    if (problem === this.problem) return;
    this.problem = problem;
    this.options.onProblem?.(problem);
  }
}

function interestOf({ network, capabilities }: ActiveNetwork): NonNullable<BackendNetwork['underlayInterest']> {
  return capabilities.underlayFacts ? (network.underlayInterest ?? 'routes') : 'none';
}

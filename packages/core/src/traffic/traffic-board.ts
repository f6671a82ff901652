import type { Finding } from '../reconcile';
import { FindingBoard } from '../reconcile/finding-board';
import { Waiters } from '../reconcile/waiters';
import type { Logger } from '../runtime';
import type { TrafficMode } from './choose-mode';
import type { TrafficMetrics } from './metrics';
import type { FamilyRules } from './rules/traffic-rule';
import type { TrafficStatus } from './traffic-manager';

/** How a pass ended. */
export interface PassConclusion {
  readonly mode: TrafficMode | null;
  readonly rules: readonly FamilyRules[];
  readonly synced: boolean;
  readonly problem: string | null;
  /** By family where only one has it. */
  readonly familyProblem: (family: 4 | 6) => string | null;
  readonly findings: readonly Finding[];
}

/** What can be seen of the traffic manager from outside. */
export class TrafficBoard {
  private readonly waiters = new Waiters();
  private readonly findings: FindingBoard;
  private ofPass: readonly Finding[] = [];
  private ofHost: readonly Finding[] = [];
  private current: Omit<TrafficStatus, 'findings'> = {
    mode: null,
    synced: false,
    firstPassDone: false,
    passes: 0,
    families: [],
    problem: null,
  };

  constructor(
    logger: Logger,
    private readonly metrics: TrafficMetrics,
  ) {
    this.findings = new FindingBoard(logger);
  }

  get status(): TrafficStatus {
    return { ...this.current, findings: this.findings.current };
  }

  whenSynced(signal?: AbortSignal): Promise<void> {
    return this.waiters.until(() => this.current.synced, signal);
  }

  /** Other rules were stated; whether they hold is not known yet. */
  restate(): void {
    this.current = { ...this.current, synced: false };
  }

  conclude({ mode, rules, synced, problem, familyProblem, findings }: PassConclusion): void {
    this.current = {
      mode,
      synced,
      firstPassDone: true,
      passes: this.current.passes + 1,
      problem,
      families: rules.map((one) => ({
        family: one.family,
        network: one.network.toString(),
        masquerade: one.rules.masquerade.length,
        forward: one.rules.forward.length,
        problem: familyProblem(one.family),
      })),
    };
    this.metrics.inForce(problem === null);
    this.ofPass = findings;
    this.show();
    this.waiters.check();
  }

  /** What was seen around the rules. */
  showHost(findings: readonly Finding[]): void {
    this.ofHost = findings;
    this.show();
  }

  private show(): void {
    const all = [...this.ofPass, ...this.ofHost];
    this.findings.replace(all);
    this.metrics.findings(all);
  }
}

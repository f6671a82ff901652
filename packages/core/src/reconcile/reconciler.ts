import type { Plan } from '../backend';
import type { IpPrefix } from '../ip';
import type { RtNetlink } from '../netlink';
import type { Clock, Logger, Random } from '../runtime';
import type { FightOptions } from './fights';
import type { Finding } from './kernel-state';
import type { ReconcileMetrics, RouteCounts } from './metrics';
import type { PassTrigger } from './pass-schedule';
import type { ProtocolName } from './route-protocol';

export interface ReconcilerOptions {
  readonly netlink: RtNetlink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  readonly metrics?: ReconcileMetrics;
  /** RTPROT of our routes; ROUTE_PROTOCOL_TARTAN unless told. */
  readonly routeProtocol?: number;
  /** The cluster's overlay networks: routes outside of them are never ours. */
  readonly networks: readonly IpPrefix[];
  /** Names for findings; the built-in table unless told. */
  readonly protocolName?: ProtocolName;
  /** Milliseconds between periodic full passes, give or take a tenth; 30,000 unless told. */
  readonly fullPassIntervalMs?: number;
  /** Milliseconds from a notification to its pass, so that a burst makes one pass; 10 unless told. */
  readonly eventDelayMs?: number;
  /** First and longest delay of a retry, milliseconds; 200 and 30,000 unless told. */
  readonly retry?: { readonly initialMs: number; readonly maxMs: number };
  readonly fights?: Pick<FightOptions, 'limit' | 'windowMs' | 'maxRestMs'>;
  /** Called after every pass; must not throw. */
  readonly onPass?: (status: ReconcilerStatus) => void;
}

export interface PassSummary {
  readonly trigger: PassTrigger;
  /** Clock.now() at its end. */
  readonly endedAt: number;
  readonly durationMs: number;
  readonly applied: number;
  readonly failed: number;
}

export interface ReconcilerStatus {
  /** True once a plan was set and one pass over any plan has ended, whatever it could do. */
  readonly firstPassDone: boolean;
  /** True while the latest plan is in force: nothing failed, waits or rests. Conflicts with foreign objects do not count. */
  readonly synced: boolean;
  readonly lastPass: PassSummary | null;
  readonly passes: number;
  readonly routes: RouteCounts;
  readonly findings: readonly Finding[];
}

export interface Reconciler {
  /** Everything that must exist from now on. Only plans made from complete snapshots, or add-only ones, may come here. Starts a pass. */
  setPlan(plan: Plan): void;
  /** Asks for a pass soon, e.g. when a caller has reason to distrust the kernel's state. */
  requestPass(): void;
  /** Works until the signal aborts; resolves once the pass under way has ended and everything is released. Call it once. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves after the first pass over a plan, whatever it could do; rejects with the signal's reason. */
  whenFirstPassDone(signal?: AbortSignal): Promise<void>;
  /** Resolves as soon as `status().synced` is true; rejects with the signal's reason. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  status(): ReconcilerStatus;
}

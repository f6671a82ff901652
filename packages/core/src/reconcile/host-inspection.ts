import { isDeepStrictEqual } from 'node:util';
import type { BackendNetwork } from '../backend';
import type { IpPrefix } from '../ip';
import type { LeaseSnapshot } from '../lease/lease';
import { ROUTE_PROTOCOL, type KernelEvent } from '../netlink';
import type { Clock, Logger, Random } from '../runtime';
import type { Finding } from './kernel-state';
import { PassSchedule } from './pass-schedule';

export interface HostInspectionOptions {
  readonly networks: readonly IpPrefix[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly inspectionIntervalMs?: number;
  /** Called with what stands from now on, when that is something else than before. */
  readonly onFindings: (findings: readonly Finding[]) => void;
}

/** From a notification to the inspection, milliseconds: addresses and their routes come one by one. */
const EVENT_DELAY_MS = 500;
const INTERVAL_MS = 60_000;

/** Has the backend look at the host: once per network, after changes of the host's own networks, and from time to time. */
export class HostInspection {
  private readonly schedule: PassSchedule;
  private network: BackendNetwork | undefined;
  private snapshot: LeaseSnapshot | undefined;
  private findings: readonly Finding[] = [];
  private failing = false;

  constructor(private readonly options: HostInspectionOptions) {
    this.schedule = new PassSchedule(options.clock);
  }

  /** Peers that come and go are no reason of their own to look. What was found stands until another network has looked. */
  inspect(network: BackendNetwork, snapshot: LeaseSnapshot): void {
    const isNew = this.network !== network;
    this.network = network;
    this.snapshot = snapshot;
    if (!isNew) return;
    if (network.inspect) this.schedule.request('change');
    else this.replace([]);
  }

  /** The kernel makes a route of its own for the network of each address. */
  onEvent(event: KernelEvent): void {
    const concerns =
      event.type === 'resync' ||
      (event.type === 'route' &&
        event.route.protocol === ROUTE_PROTOCOL.kernel &&
        this.options.networks.some((network) => network.overlaps(event.route.dst)));
    if (concerns) this.schedule.request('event', EVENT_DELAY_MS);
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, inspectionIntervalMs = INTERVAL_MS } = this.options;
    while ((await this.schedule.next(signal)) !== undefined) {
      if (this.network?.inspect === undefined || !this.snapshot) continue;
      await this.look(this.network, this.snapshot, signal);
      this.schedule.request('periodic', inspectionIntervalMs * (0.9 + 0.2 * random()));
    }
    this.schedule.close();
  }

  private async look(network: BackendNetwork, snapshot: LeaseSnapshot, signal: AbortSignal): Promise<void> {
    try {
      const found = (await network.inspect?.(snapshot, signal)) ?? [];
      this.failing = false;
      // Where another network came meanwhile, it will be asked itself.
      if (network === this.network) this.replace(found);
    } catch (error) {
      if (signal.aborted) return;
      if (!this.failing) this.options.logger.warn('the host could not be inspected, trying again', { error });
      this.failing = true;
    }
  }

  private replace(findings: readonly Finding[]): void {
    if (isDeepStrictEqual(findings, this.findings)) return;
    this.findings = findings;
    this.options.onFindings(findings);
  }
}

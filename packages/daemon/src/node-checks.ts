import type { ReadinessCheck, ReadinessRegistry } from '@tartan/core';

type CheckName =
  'datastore' | 'config' | 'interface' | 'backend' | 'lease' | 'subnetFile' | 'peers' | 'kernel' | 'traffic';

/** The conditions of readiness, in the order in which a start reaches them. */
export class NodeChecks {
  /** Shown only: forwarding goes on while the datastore is away. */
  readonly datastore: ReadinessCheck;
  /** Shown only: the last good config stays in force. */
  readonly config: ReadinessCheck;
  readonly interface: ReadinessCheck;
  readonly backend: ReadinessCheck;
  readonly lease: ReadinessCheck;
  readonly subnetFile: ReadinessCheck;
  readonly peers: ReadinessCheck;
  readonly kernel: ReadinessCheck;
  readonly traffic: ReadinessCheck;

  constructor(registry: ReadinessRegistry) {
    this.datastore = registry.declare({ name: 'datastore', waitingFor: 'not asked yet', required: false });
    this.config = registry.declare({
      name: 'network-config',
      waitingFor: 'waiting for the network config',
      required: false,
    });
    this.interface = registry.declare({ name: 'interface', waitingFor: 'not chosen yet' });
    this.backend = registry.declare({ name: 'backend', waitingFor: 'not started yet' });
    this.lease = registry.declare({ name: 'lease', waitingFor: 'none yet' });
    this.subnetFile = registry.declare({ name: 'subnet-file', waitingFor: 'not written yet' });
    this.peers = registry.declare({ name: 'peers', waitingFor: 'waiting for the first complete list of peers' });
    this.kernel = registry.declare({ name: 'kernel', waitingFor: 'nothing programmed yet' });
    this.traffic = registry.declare({ name: 'traffic-rules', waitingFor: 'not written yet' });
  }

  /** Runs a step; its failure fails the check of that name with the error's message, unless it was only told to stop. */
  async guard<T>(name: CheckName, signal: AbortSignal, step: () => T | Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (!signal.aborted) this[name].fail(messageOf(error));
      throw error;
    }
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import type { Datastore, LeaseManager, OwnerIdentity, ReadinessRegistry } from '@tartan/core';
import type { KubeCluster } from '@tartan/datastore-kube';
import type { NodeNetwork } from './node-network';
import type { PeerProgrammer } from './peer-programmer';
import type { TrafficRules } from './traffic-rules';

/** What /v1/status is made from; parts come in as they are made. */
export class StatusPage {
  identity: OwnerIdentity | null = null;
  network: Pick<NodeNetwork, 'describe'> | null = null;
  leaseManager: Pick<LeaseManager, 'watchStatus'> | null = null;
  programmer: Pick<PeerProgrammer, 'status' | 'healthy'> | null = null;
  datastore: Pick<Datastore, 'name' | 'status'> | null = null;
  traffic: Pick<TrafficRules, 'status'> | null = null;
  cluster: Pick<KubeCluster, 'activity'> | null = null;

  constructor(
    private readonly version: string,
    private readonly readiness: Pick<ReadinessRegistry, 'ready'>,
  ) {}

  /** JSON; null for what does not exist yet. */
  show(): object {
    return {
      version: this.version,
      node: this.identity?.node ?? null,
      ready: this.readiness.ready,
      network: this.network?.describe() ?? null,
      watch: this.leaseManager?.watchStatus() ?? null,
      kernel: this.programmer?.status() ?? null,
      traffic: this.traffic?.status() ?? null,
      datastore: this.datastore && { name: this.datastore.name, ...this.datastore.status() },
      kubernetes: this.cluster && showCluster(this.cluster),
    };
  }
}

function showCluster({ activity: { server, lastEventAt, lists, watches } }: Pick<KubeCluster, 'activity'>): object {
  return { server, lastEventAt: lastEventAt === null ? null : new Date(lastEventAt).toISOString(), lists, watches };
}

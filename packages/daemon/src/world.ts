import {
  type Clock,
  type DaemonOptions,
  type Datastore,
  type Logger,
  type RtNetlink,
  createCommandRunner,
  systemClock,
} from '@tartan/core';
import { createNftGeneration, createRtNetlink } from '@tartan/netlink';
import { hostname } from 'node:os';
import type { KubeCluster } from '@tartan/datastore-kube';
import { openCluster, openDatastore } from './datastores';
import { readProtocolTables } from './protocol-tables';
import type { TrafficWorld } from './traffic-rules';

/** What the daemon touches outside of itself; a test gives it another one. */
export interface World {
  readonly clock: Clock;
  hostname(): string;
  /** /etc/machine-id unless told. */
  readonly machineIdPath?: string;
  openNetlink(logger: Logger): RtNetlink;
  openDatastore(options: DaemonOptions, logger: Logger): Datastore | Promise<Datastore>;
  /** The Kubernetes cluster that the options name, which then has the datastore too; null without one. */
  openCluster?(options: DaemonOptions, env: NodeJS.ProcessEnv, logger: Logger): KubeCluster | null;
  /** Texts of iproute2's rt_protos files. */
  readProtocolTables(): Promise<string[]>;
  /** Without it there are no masquerade and forward rules. */
  readonly traffic?: TrafficWorld;
}

export const realWorld: World = {
  clock: systemClock,
  hostname,
  openNetlink: (logger) => createRtNetlink({ logger }),
  openDatastore: (options, logger) => openDatastore(options, { clock: systemClock, logger }),
  openCluster: (options, env, logger) => openCluster(options, { env, clock: systemClock, logger }),
  readProtocolTables,
  traffic: { runner: createCommandRunner(), openGeneration: (logger) => createNftGeneration({ logger }) },
};

import { type Clock, type DaemonOptions, type Datastore, type Logger, type RtNetlink, systemClock } from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';
import { hostname } from 'node:os';
import { openDatastore } from './datastores';
import { readProtocolTables } from './protocol-tables';

/** What the daemon touches outside of itself; a test gives it another one. */
export interface World {
  readonly clock: Clock;
  hostname(): string;
  /** /etc/machine-id unless told. */
  readonly machineIdPath?: string;
  openNetlink(logger: Logger): RtNetlink;
  openDatastore(options: DaemonOptions, logger: Logger): Datastore | Promise<Datastore>;
  /** Texts of iproute2's rt_protos files. */
  readProtocolTables(): Promise<string[]>;
}

export const realWorld: World = {
  clock: systemClock,
  hostname,
  openNetlink: (logger) => createRtNetlink({ logger }),
  openDatastore: (options, logger) => openDatastore(options, { clock: systemClock, logger }),
  readProtocolTables,
};

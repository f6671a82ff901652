import {
  createFileDatastore,
  type Clock,
  type DaemonOptions,
  type Datastore,
  type LastLeaseKey,
  type Logger,
} from '@tartan/core';
import type * as EtcdModule from '@tartan/core/datastore/etcd';

/** Opens the datastore that the options name. Throws DATASTORE_OPTION_INVALID. */
export function openDatastore(
  options: DaemonOptions,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Datastore {
  if (options.datastore.kind === 'file') {
    return createFileDatastore({ path: options.datastore.path, clock, logger });
  }
  return loadEtcd().createEtcdDatastore({
    endpoints: options.etcdEndpoints,
    prefix: options.etcdPrefix,
    tls: { keyFile: options.etcdKeyfile, certFile: options.etcdCertfile, caFile: options.etcdCafile },
    username: options.etcdUsername,
    password: options.etcdPassword,
    timeoutMs: options.etcdTimeout.ms,
    clock,
    logger,
  });
}

/** The etcd client is a third of all code, and loaded only where etcd is used; by require(), see tartand.ts. */
function loadEtcd() {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return require('@tartan/core/datastore/etcd') as typeof EtcdModule;
}

/** What tells this daemon's remembered lease from that of another daemon on the same host. */
export function lastLeaseKey({
  datastore,
  etcdPrefix,
  subnetFile,
}: Pick<DaemonOptions, 'datastore' | 'etcdPrefix' | 'subnetFile'>): LastLeaseKey {
  return { subnetFile, datastore: datastore.kind === 'file' ? `file:${datastore.path}` : `etcd:${etcdPrefix}` };
}

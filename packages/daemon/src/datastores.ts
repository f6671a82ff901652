import {
  createFileDatastore,
  type Clock,
  type DaemonOptions,
  type Datastore,
  type LastLeaseKey,
  type Logger,
} from '@tartan/core';

/** Opens the datastore that the options name. The etcd client is loaded only when it is the one. */
export async function openDatastore(
  options: DaemonOptions,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<Datastore> {
  if (options.datastore.kind === 'file') {
    return createFileDatastore({ path: options.datastore.path, clock, logger });
  }
  const { createEtcdDatastore } = await import('@tartan/core/datastore/etcd');
  return createEtcdDatastore({
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

/** What tells this daemon's remembered lease from that of another daemon on the same host. */
export function lastLeaseKey({ datastore, etcdPrefix, subnetFile }: DaemonOptions): LastLeaseKey {
  return { subnetFile, datastore: datastore.kind === 'file' ? `file:${datastore.path}` : `etcd:${etcdPrefix}` };
}

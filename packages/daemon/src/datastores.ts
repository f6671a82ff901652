import {
  createFileDatastore,
  type Clock,
  type DaemonOptions,
  type Datastore,
  type LastLeaseKey,
  type Logger,
} from '@tartan/core';
import type * as EtcdModule from '@tartan/core/datastore/etcd';
import type * as KubeModule from '@tartan/datastore-kube';
import type { KubeCluster } from '@tartan/datastore-kube';

export interface Surroundings {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The cluster that the options name; null without Kubernetes. Throws DATASTORE_OPTION_INVALID. */
export function openCluster(
  options: DaemonOptions,
  { env, clock, logger }: Surroundings & { readonly env: NodeJS.ProcessEnv },
): KubeCluster | null {
  if (options.datastore.kind !== 'kube') return null;
  return new (loadKube().KubeCluster)({
    apiUrls: options.kubeApiUrl,
    kubeconfigFile: options.kubeconfigFile,
    annotationPrefix: options.kubeAnnotationPrefix,
    env,
    clock,
    logger,
  });
}

/** Opens the datastore that the options name, to read from: with Kubernetes, not as one of its nodes. Throws DATASTORE_OPTION_INVALID. */
export function openDatastore(
  options: DaemonOptions,
  { clock, logger, env = process.env }: Surroundings & { readonly env?: NodeJS.ProcessEnv },
): Datastore {
  const cluster = openCluster(options, { clock, logger, env });
  if (cluster) return cluster.openDatastore({ identity: null, configPath: options.netConfigPath });
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

/** The same for Kubernetes. */
function loadKube() {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return require('@tartan/datastore-kube') as typeof KubeModule;
}

/** What tells this daemon's remembered lease from that of another daemon on the same host. */
export function lastLeaseKey({
  datastore,
  etcdPrefix,
  kubeAnnotationPrefix,
  subnetFile,
}: Pick<DaemonOptions, 'datastore' | 'etcdPrefix' | 'kubeAnnotationPrefix' | 'subnetFile'>): LastLeaseKey {
  switch (datastore.kind) {
    case 'file':
      return { subnetFile, datastore: `file:${datastore.path}` };
    case 'kube':
      return { subnetFile, datastore: `kube:${kubeAnnotationPrefix}` };
    case 'etcd':
      return { subnetFile, datastore: `etcd:${etcdPrefix}` };
  }
}

import { isIPv4, isIPv6 } from 'node:net';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  BackOff,
  isTartanError,
  TartanError,
  type Clock,
  type Logger,
  type Random,
  type ReadinessRegistry,
} from '@tartan/core';
import type { ApiActivity } from './api/activity';
import { ApiClient } from './api/api-client';
import { FileCredentials, type Credentials } from './api/credentials';
import { KubeDatastore, type KubeDatastoreOptions } from './kube-datastore';
import { KubeconfigCredentials } from './kubeconfig/kubeconfig-credentials';
import { NodeObjects } from './node-objects';
import { annotationNames, type AnnotationNames } from './nodes/annotation-names';
import type { KubeNode } from './nodes/kube-node';
import { NodeCondition } from './status/node-condition';

/** Where a pod finds its credentials. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface KubeClusterOptions {
  /** --kube-api-url: tried in turn. Empty: as the kubeconfig file or the environment says. */
  readonly apiUrls: readonly string[];
  /** --kubeconfig-file, empty: the service account of the pod. */
  readonly kubeconfigFile: string;
  readonly annotationPrefix: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random?: Random;
  readonly logger: Logger;
  readonly serviceAccountDirectory?: string;
  /** See KubeconfigCredentialsOptions. */
  readonly kubeconfigProgram?: string;
}

/** Addresses that an administrator has written on our Node; null where there are none. */
export interface AnnotatedAddresses {
  readonly publicIP: string | null;
  readonly publicIPv6: string | null;
}

/** One Kubernetes cluster, as a daemon on one of its nodes sees it. Nothing is opened before the first call. */
export class KubeCluster {
  readonly names: AnnotationNames;
  private readonly client: ApiClient;
  private addresses: AnnotatedAddresses | null = null;
  /** Called when the annotated addresses of our Node are not the ones that annotatedAddresses() told last. */
  onAddresses: () => void = () => undefined;

  /** Throws DATASTORE_OPTION_INVALID. */
  constructor(private readonly options: KubeClusterOptions) {
    this.names = annotationNames(options.annotationPrefix);
    this.client = new ApiClient({ credentials: credentialsOf(options), clock: options.clock });
  }

  /**
   * The name of the node that a pod runs on (flannel-compat 3.1). Waits for the API server; what else is in the way is logged once and
   * tried again, since it can be cured while we wait; `onProblem` is called after each try. Rejects with the abort reason.
   */
  async nodeNameOfPod(
    namespace: string,
    pod: string,
    signal: AbortSignal,
    onProblem: () => void = () => undefined,
  ): Promise<string> {
    const { clock, logger, random = Math.random } = this.options;
    const backOff = new BackOff({ initialMs: 500, maxMs: 15_000, random });
    const key = `pods/${namespace}/${pod}`;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}`;
    let problem = '';
    for (;;) {
      try {
        const object = await this.client.json({ operation: `get pod ${pod}`, key, path }, signal);
        const { nodeName } = (object as { spec?: { nodeName?: string } }).spec ?? {};
        if (nodeName) return nodeName;
        throw new TartanError('DATASTORE_NOT_FOUND', { datastore: 'kubernetes', key: `${key} spec.nodeName` });
      } catch (error) {
        signal.throwIfAborted();
        const { message } = error as Error;
        const remedy = 'set NODE_NAME from spec.nodeName in the pod (fieldRef), and nobody needs to be asked';
        if (message !== problem) logger.warn('the name of this node is not known yet, trying on', { error, remedy });
        problem = message;
        onProblem();
      }
      await clock.sleep(backOff.next(), signal);
    }
  }

  get activity(): Readonly<ApiActivity> {
    return this.client.activity;
  }

  openDatastore(input: Pick<KubeDatastoreOptions, 'identity' | 'configPath' | 'startSpreadMs'>): KubeDatastore {
    const { client, names, options } = this;
    const { clock, logger, random = Math.random } = options;
    const onOwnNode = (node: KubeNode): void => {
      const { addresses } = this;
      if (addresses && !isDeepStrictEqual(addresses, addressesOf(node))) this.onAddresses();
    };
    return new KubeDatastore({ client, names, clock, logger, random, onOwnNode, ...input });
  }

  /**
   * The annotations node-public-ip and node-public-ipv6 of our Node. When the server is away, what it said last; before it said
   * anything, rejects with DATASTORE_*.
   */
  async annotatedAddresses(node: string, signal: AbortSignal): Promise<AnnotatedAddresses> {
    const { client, names } = this;
    try {
      const found = await new NodeObjects({ client, names }).read(node, signal);
      this.addresses = addressesOf(found.node);
      this.warnOfUnusable(this.addresses);
    } catch (error) {
      if (!this.addresses || !isTartanError(error, 'DATASTORE_UNAVAILABLE', 'DATASTORE_DENIED')) throw error;
    }
    return usable(this.addresses);
  }

  private warnOfUnusable(addresses: AnnotatedAddresses): void {
    const { names } = this;
    const used = usable(addresses);
    for (const [family, annotation] of [
      ['publicIP', names.nodePublicIP],
      ['publicIPv6', names.nodePublicIPv6],
    ] as const) {
      const value = addresses[family];
      if (value === used[family]) continue;
      this.options.logger.warn('annotation of the node is no address, left out', { annotation, value });
    }
  }

  condition(input: {
    readonly node: string;
    readonly readiness: Pick<ReadinessRegistry, 'ready' | 'missing' | 'onChange'>;
    readonly condition: boolean;
    readonly withdraw: boolean;
    readonly graceMs?: number;
  }): NodeCondition {
    const { clock, logger, random = Math.random } = this.options;
    return new NodeCondition({ client: this.client, clock, logger, random, ...input });
  }

  close(): void {
    this.client.close();
  }
}

function addressesOf(node: KubeNode | null): AnnotatedAddresses {
  const { nodePublicIP = null, nodePublicIPv6 = null } = node?.annotations ?? {};
  return { publicIP: nodePublicIP, publicIPv6: nodePublicIPv6 };
}

/** What is no address is an administrator's slip, and no reason to be without a network. */
function usable({ publicIP, publicIPv6 }: AnnotatedAddresses): AnnotatedAddresses {
  return {
    publicIP: publicIP !== null && isIPv4(publicIP) ? publicIP : null,
    publicIPv6: publicIPv6 !== null && isIPv6(publicIPv6) ? publicIPv6 : null,
  };
}

function credentialsOf(options: KubeClusterOptions): Credentials {
  const { apiUrls, kubeconfigFile, env, clock, serviceAccountDirectory = SERVICE_ACCOUNT } = options;
  const urls = apiUrls.map((url) => url.replace(/\/+$/, ''));
  if (kubeconfigFile !== '') {
    const { kubeconfigProgram: program } = options;
    return new KubeconfigCredentials({
      path: kubeconfigFile,
      servers: urls,
      clock,
      ...(program !== undefined && { program }),
    });
  }
  const tokenFile = join(serviceAccountDirectory, 'token');
  const caFile = join(serviceAccountDirectory, 'ca.crt');
  return new FileCredentials({ servers: urls.length > 0 ? urls : inCluster(env), tokenFile, caFile, clock });
}

function inCluster(env: KubeClusterOptions['env']): string[] {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT_HTTPS'] ?? env['KUBERNETES_SERVICE_PORT'] ?? '443';
  if (host) return [`https://${host.includes(':') ? `[${host}]` : host}:${port}`];
  throw new TartanError('DATASTORE_OPTION_INVALID', {
    option: '--kube-subnet-mgr without --kube-api-url and --kubeconfig-file',
    value: 'outside of a pod (KUBERNETES_SERVICE_HOST is not set)',
    expected: 'one of these options, or the environment that Kubernetes gives to pods',
  });
}

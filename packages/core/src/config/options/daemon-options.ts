import { TartanError } from '../../errors';
import { nearestName } from '../nearest-name';
import { describeOptions } from './describe-options';
import { environmentNames, type OptionSource, type OptionTable, type OptionValues } from './option';
import { renderHelp } from './render-help';
import { resolveOptions, type OptionInputs } from './resolve-options';
import { datastoreOptions } from './table/datastore-options';
import { backendOptions, generalOptions } from './table/general-options';
import { kubernetesOptions } from './table/kubernetes-options';

import { fileOptions, interfaceOptions, leaseOptions } from './table/node-options';
import { healthOptions, loggingOptions } from './table/observability-options';
import { cleanupOptions, trafficOptions } from './table/traffic-options';

/** Every option of tartand. */
export const daemonOptionTable = {
  ...generalOptions,
  ...cleanupOptions,
  ...datastoreOptions,
  ...leaseOptions,
  ...interfaceOptions,
  ...backendOptions,
  ...fileOptions,
  ...healthOptions,
  ...loggingOptions,
  ...trafficOptions,
  ...kubernetesOptions,
} satisfies OptionTable;

export type DaemonOptionName = keyof typeof daemonOptionTable;

/** The options of a running daemon, typed by the table; `sources` says where each one came from. */
export interface DaemonOptions extends OptionValues<typeof daemonOptionTable> {
  readonly sources: Readonly<Record<DaemonOptionName, OptionSource>>;
}

/**
 * Reads command line, environment and options file. Throws OPTION_* at the first mistake; the program prints the message and
 * exits with 2. When `help` or `version` is true nothing else has been read or checked.
 */
export function parseDaemonOptions(inputs: OptionInputs): DaemonOptions {
  const { values, sources } = resolveOptions(daemonOptionTable, inputs);
  if (values.help || values.version) return { ...values, sources };
  const given = { ...values, logLevel: logLevel(values, sources['log-level']), sources };
  const options = { ...given, datastore: chosenDatastore(given) };
  checkClientCertificate(options);
  checkDryRun(options);
  return options;
}

/** The text of `tartand --help`. */
export function daemonHelp(): string {
  return renderHelp(daemonOptionTable, {
    usage: 'Usage: tartand [options]',
    intro:
      'Leases a subnet for this host, programs the routes to those of all other hosts, and keeps both right. ' +
      'Options take one dash or two, and a value as --x=VALUE or --x VALUE; switches take one only behind "=". ' +
      'An option on the command line wins over the environment, the environment over the options file (--config).',
  });
}

/** What was given, for the start-up log; secrets are hidden. */
export function describeDaemonOptions(options: DaemonOptions): Record<string, string> {
  return describeOptions(daemonOptionTable, options);
}

/** Options that were given but do nothing in this version; worth one warning at start. */
export function optionsWithoutEffect({ sources }: DaemonOptions): DaemonOptionName[] {
  const table: OptionTable = daemonOptionTable;
  const names = Object.keys(daemonOptionTable) as DaemonOptionName[];
  return names.filter((name) => table[name]?.inert !== undefined && sources[name].kind !== 'default');
}

/** A given option that does not do what it seems to, because of what others say. */
export interface DoubtfulOption {
  /** The flag, or the variable where it came from there. */
  readonly option: string;
  readonly reason: string;
}

/** Combinations that the original takes without a word; worth one warning each at start. */
export function doubtfulOptions(options: DaemonOptions): DoubtfulOption[] {
  const { datastore, etcdEndpoints, healthzPort, etcdPassword, sources } = options;
  const found = new Map<DaemonOptionName, string>();
  const note = (names: readonly DaemonOptionName[], reason: string): void => {
    for (const name of names) if (sources[name].kind !== 'default' && !found.has(name)) found.set(name, reason);
  };
  if (datastore.kind === 'file') note(etcdNames, `it has no effect: --datastore is file:${datastore.path}`);
  if (!etcdEndpoints.some((endpoint) => /^https:/i.test(endpoint))) {
    note(tlsNames, 'it has no effect: no URL of --etcd-endpoints starts with https://');
  }
  if (etcdPassword === '') note(['etcd-username'], '--etcd-password is not set: etcd is asked with an empty one');
  if (healthzPort === 0) note(['healthz-ip'], 'it has no effect: --healthz-port is 0, so nothing is served');
  return [...found].map(([name, reason]) => ({ option: givenAs(name, sources[name]), reason }));
}

const etcdNames = (Object.keys(datastoreOptions) as DaemonOptionName[]).filter((name) => name.startsWith('etcd-'));
const tlsNames = ['etcd-keyfile', 'etcd-certfile', 'etcd-cafile'] as const;

function givenAs(name: DaemonOptionName, source: OptionSource): string {
  return source.kind === 'environment' ? source.variable : `--${name}`;
}

/**
 * Variables that look like a mistyped option, with the one that was probably meant. Not an error: Kubernetes itself sets
 * TARTAND_SERVICE_HOST and the like where a service is called tartand.
 */
export function suspiciousVariables(env: OptionInputs['env']): { variable: string; nearest: string }[] {
  const table: OptionTable = daemonOptionTable;
  const known = Object.entries(table).flatMap(([name, definition]) => environmentNames(name, definition));
  return Object.keys(env)
    .filter((name) => /^(?:TARTAND|FLANNELD)_/.test(name) && !known.includes(name))
    .flatMap((variable) => {
      const nearest = nearestName(variable, known);
      return nearest === undefined || Math.abs(nearest.length - variable.length) > 2 ? [] : [{ variable, nearest }];
    });
}

function logLevel({ logLevel, v }: OptionValues<typeof daemonOptionTable>, source: OptionSource) {
  return v > 0 && source.kind === 'default' ? 'debug' : logLevel;
}

/** flannel's flag for what is one of three datastores here. */
function chosenDatastore({ datastore, kubeSubnetMgr, sources }: DaemonOptions): DaemonOptions['datastore'] {
  if (!kubeSubnetMgr || datastore.kind === 'kube') return datastore;
  if (sources.datastore.kind === 'default') return { kind: 'kube' };
  throw new TartanError('OPTION_UNAVAILABLE', {
    option: '--kube-subnet-mgr',
    reason: `--datastore=${daemonOptionTable.datastore.format(datastore)} is given as well`,
    instead: 'give one of both',
  });
}

/** The original goes on without TLS when only one of both is set. */
function checkClientCertificate({ etcdKeyfile, etcdCertfile }: DaemonOptions): void {
  if ((etcdKeyfile === '') === (etcdCertfile === '')) return;
  const [given, missing] =
    etcdKeyfile === ''
      ? (['--etcd-certfile', '--etcd-keyfile'] as const)
      : (['--etcd-keyfile', '--etcd-certfile'] as const);
  throw new TartanError('OPTION_INVALID', {
    option: missing,
    value: 'not set',
    expected: `the file that belongs to ${given}`,
  });
}

/** Whoever means to look must not start a daemon. */
function checkDryRun({ cleanup, dryRun }: DaemonOptions): void {
  if (!dryRun || cleanup) return;
  throw new TartanError('OPTION_INVALID', {
    option: '--dry-run',
    value: 'true',
    expected: '--cleanup beside it',
  });
}

import { parseArgs } from 'node:util';
import { demoBackends } from './backends';

export type DatastoreChoice = 'auto' | 'etcd' | 'file';

export interface DemoOptions {
  readonly hosts: number;
  readonly backend: string;
  readonly datastore: DatastoreChoice;
  readonly keep: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** A mistake on the command line: one line, exit code 2. */
export class UsageError extends Error {}

const MIN_HOSTS = 2;
const MAX_HOSTS = 9;

export function demoHelp(): string {
  return `Usage: npm run demo -- [options]

Brings up a cluster on this machine, inside namespaces that vanish afterwards: hosts on a switch, etcd, a tartand
and a pod on every host. Then it shows who leased what, the routes, pings between all pods, throughput, and that
killing a daemon loses no packet. Changes nothing outside; exit code 0 only if everything worked.

  --hosts N          ${MIN_HOSTS} to ${MAX_HOSTS} hosts                                   [default: 3]
  --backend TYPE     ${backendNames()}                              [default: host-gw]
  --datastore KIND   auto, etcd or file; auto takes etcd if it is installed [default: auto]
  --keep             stay in a shell inside the cluster afterwards
  --json             one JSON object on standard output, progress on standard error
  -h, --help         this text
`;
}

/** Throws UsageError with what is wrong and what would be right. */
export function parseDemoOptions(argv: readonly string[]): DemoOptions {
  const values = parse(argv);
  return {
    hosts: hostCount(values.hosts),
    backend: backendType(values.backend),
    datastore: datastoreChoice(values.datastore),
    keep: values.keep,
    json: values.json,
    help: values.help,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        hosts: { type: 'string', default: '3' },
        backend: { type: 'string', default: 'host-gw' },
        datastore: { type: 'string', default: 'auto' },
        keep: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0] ?? ''}; see --help`, { cause: error });
  }
}

function hostCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= MIN_HOSTS && count <= MAX_HOSTS) return count;
  throw new UsageError(`--hosts takes a number from ${MIN_HOSTS} to ${MAX_HOSTS}, not "${text}"`);
}

function backendType(text: string): string {
  if (Object.hasOwn(demoBackends, text)) return text;
  throw new UsageError(`--backend takes ${backendNames()}, not "${text}"`);
}

function datastoreChoice(text: string): DatastoreChoice {
  if (text === 'auto' || text === 'etcd' || text === 'file') return text;
  throw new UsageError(`--datastore takes auto, etcd or file, not "${text}"`);
}

function backendNames(): string {
  return Object.keys(demoBackends)
    .join(', ')
    .replace(/, ([^,]*)$/, ' or $1');
}

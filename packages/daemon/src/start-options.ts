import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/*
 * As much of the options as can be told without the option parser, which takes longer to load than a packet loop to start. Two
 * starts with the same fingerprint have the same options, whatever they are. Where the state directory is not seen here although the parser sees it,
 * nothing is found there, and the daemon starts a little later.
 */

/** The default of --state-dir; a test compares. */
const STATE_DIRECTORY = '/var/lib/tartan';
/** The default of --net-config-path: Kubernetes' network config; a test compares. */
const NET_CONFIG_PATH = '/etc/kube-flannel/net-conf.json';
/** Variables that options are read from; a test compares with the table of options. */
const OPTION_VARIABLE = /^(TARTAND|FLANNELD)_|^(NODE_NAME|KUBECONFIG)$/;

export interface StartOptions {
  readonly stateDirectory: string;
  /** SHA-256 of the words, the variables and the files that options are read from. */
  readonly fingerprint: string;
}

/** Never throws. */
export function startOptions(argv: readonly string[], env: NodeJS.ProcessEnv): StartOptions {
  const given = (name: string): string | undefined => word(argv, name) ?? variable(env, name);
  const file = contents(given('config'));
  const stateDirectory = given('state-dir') ?? member(file, 'state-dir') ?? STATE_DIRECTORY;
  const netConfig = contents(given('net-config-path') ?? member(file, 'net-config-path') ?? NET_CONFIG_PATH);
  const variables = Object.entries(env).filter(([name]) => OPTION_VARIABLE.test(name));
  const all = [argv, variables.sort(([a], [b]) => (a < b ? -1 : 1)), file, netConfig];
  return { stateDirectory, fingerprint: createHash('sha256').update(JSON.stringify(all)).digest('hex') };
}

/** The last one counts: `--name=value`, `--name value`, with one dash too. */
function word(argv: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  argv.forEach((text, index) => {
    const [, spelled, value] = /^--?([^=]+)(?:=(.*))?$/s.exec(text) ?? [];
    if (spelled === name) found = value ?? argv[index + 1];
  });
  return found;
}

/** An empty variable counts as none. */
function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const suffix = name.toUpperCase().replaceAll('-', '_');
  return [env[`TARTAND_${suffix}`], env[`FLANNELD_${suffix}`]].find((value) => value);
}

/** null where there is none. */
function contents(path: string | undefined): string | null {
  if (path === undefined) return null;
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function member(json: string | null, name: string): string | undefined {
  try {
    const value: unknown = (JSON.parse(json ?? '{}') as Record<string, unknown>)[name];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

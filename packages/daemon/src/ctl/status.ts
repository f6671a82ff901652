import { get } from 'node:http';
import { TartanError, healthOptions, resolveOptions } from '@tartan/core';
import type { Command } from './command';

const TIMEOUT_MS = 5_000;
/** The port of the examples, where no variable names one. */
const DEFAULT_PORT = 8081;

interface ReadyPage {
  readonly ready: boolean;
  readonly checks: readonly { name: string; ok: boolean; required: boolean; message: string; since: string }[];
}

interface StatusPage {
  readonly network?: { readonly dataPath?: DataPath | null } | null;
  readonly kernel: { readonly kernel: { readonly findings: readonly Finding[] } } | null;
  readonly traffic?: { readonly findings: readonly Finding[] } | null;
  readonly kubernetes?: { readonly server: string | null; readonly lastEventAt: string | null } | null;
}

interface DataPath {
  readonly name: string;
  readonly running: boolean;
  readonly features: readonly { name: string; on: boolean; reason?: string }[];
  readonly bypass?: { readonly name: string; readonly peers: readonly string[]; readonly counters: Bypassed };
}

interface Bypassed {
  readonly txPackets: number;
  readonly rxPackets: number;
}

/** Peers that are named before "and N more". */
const NAMED_PEERS = 8;

interface Finding {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly cure?: string;
}

/** Asks the daemon of this node how it is. */
export const statusCommand: Command = {
  usage: 'status [--url=http://HOST:PORT] [--json]',
  summary:
    'Is this node ready, and what is missing. Needs --healthz-port on tartand; TARTAND_HEALTHZ_PORT and TARTAND_HEALTHZ_IP are read here too. Exit status 1 when not ready.',
  async run(args, terminal) {
    const { url, json } = readArguments(args, terminal.env);
    const ready = (await fetchJson(`${url}/readyz`)) as ReadyPage;
    const status = (await fetchJson(`${url}/v1/status`)) as StatusPage;
    if (json) {
      terminal.out(JSON.stringify({ ...ready, ...status }, null, 2));
      return ready.ready ? 0 : 1;
    }
    terminal.out(ready.ready ? 'ready' : 'NOT READY');
    for (const { name, ok, required, message } of ready.checks) {
      terminal.out(`  ${ok ? 'ok  ' : required ? 'FAIL' : 'warn'}  ${name.padEnd(15)} ${message}`);
    }
    if (status.kubernetes) terminal.out(`  ${kubernetesLine(status.kubernetes)}`);
    for (const line of dataPathLines(status.network?.dataPath ?? null)) terminal.out(`  ${line}`);
    for (const finding of [...(status.kernel?.kernel.findings ?? []), ...(status.traffic?.findings ?? [])]) {
      terminal.out(`  ${finding.severity} ${finding.code}: ${finding.message}`);
      if (finding.cure !== undefined) terminal.out(`    cure: ${finding.cure}`);
    }
    return ready.ready ? 0 : 1;
  },
};

function kubernetesLine({ server, lastEventAt }: NonNullable<StatusPage['kubernetes']>): string {
  const seconds = lastEventAt === null ? null : Math.max(0, Math.round((Date.now() - Date.parse(lastEventAt)) / 1_000));
  const age = seconds === null ? 'no event of its watch yet' : `last event of its watch ${seconds} s ago`;
  return `API server ${server ?? 'none has answered'}: ${age}`;
}

/** Which offloads carry the packets, and why others do not: the first question about a slow data path. */
function dataPathLines(dataPath: DataPath | null): string[] {
  if (!dataPath) return [];
  const { name, running, features, bypass } = dataPath;
  return [
    `${name}: ${running ? 'running' : 'NOT RUNNING'}`,
    ...features.map(({ name: feature, on, reason }) =>
      on ? `  on    ${feature}` : `  off   ${feature.padEnd(13)} ${reason ?? ''}`.trimEnd(),
    ),
    ...(bypass ? [bypassLine(bypass)] : []),
  ];
}

function bypassLine({ name, peers, counters }: NonNullable<DataPath['bypass']>): string {
  const named = peers.slice(0, NAMED_PEERS).join(', ') || 'no peer (none announces it)';
  const more = peers.length > NAMED_PEERS ? ` and ${peers.length - NAMED_PEERS} more` : '';
  return `${name}: to ${named}${more}; ${counters.txPackets} packets sent, ${counters.rxPackets} received`;
}

/** Where the daemon of this node serves by the variables that it reads itself; loopback where it serves everywhere. */
function defaultUrl(env: NodeJS.ProcessEnv): string {
  const { values } = resolveOptions(healthOptions, { argv: [], env, readFile: () => '' });
  const { healthzIp: ip, healthzPort: port } = values;
  const host = ip.isUnspecified ? (ip.family === 4 ? '127.0.0.1' : '::1') : ip.toString();
  return `http://${ip.family === 6 ? `[${host}]` : host}:${port === 0 ? DEFAULT_PORT : port}`;
}

function readArguments(args: readonly string[], env: NodeJS.ProcessEnv): { url: string; json: boolean } {
  let url: string | undefined;
  let json = false;
  for (const argument of args) {
    const value = /^--?url=(.+)$/.exec(argument)?.[1];
    if (value !== undefined) url = value.replace(/\/+$/, '');
    else if (/^--?json$/.test(argument)) json = true;
    else throw new TartanError('OPTION_UNKNOWN', { option: argument });
  }
  url ??= defaultUrl(env);
  if (!URL.canParse(url))
    throw new TartanError('OPTION_INVALID', {
      option: '--url',
      value: url,
      expected: 'a URL such as http://127.0.0.1:8081',
    });
  return { url, json };
}

/** GET with JSON; an answer of 503 is an answer. */
function fetchJson(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers: { accept: 'application/json' }, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        } catch {
          reject(new Error(`${url} does not answer like tartand`));
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    request.on('error', (error) => {
      reject(
        new Error(`${url} cannot be reached (${error.message}); does tartand run with --healthz-port?`, {
          cause: error,
        }),
      );
    });
  });
}

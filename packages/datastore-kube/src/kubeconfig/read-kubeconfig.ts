/**
 * A program: reads the kubeconfig file named by its argument with @kubernetes/client-node, every kind of authentication it knows
 * included (exec plug-ins, OIDC, files), and prints what a call needs as JSON. A process of its own, because loading that package
 * costs some 60 MB of memory for as long as a process lives, and this is needed for a moment.
 */
import { readFileSync } from 'node:fs';
import type { Agent } from 'node:https';
import { dirname, resolve } from 'node:path';

interface Printed {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Readonly<Record<string, unknown>>;
}

/** What the package leaves out: it looks for `token-file`, which kubectl does not know (client-go, clientcmd/api/v1 AuthInfo). */
interface KubeconfigText {
  readonly users?: readonly { readonly name?: string; readonly user?: { readonly tokenFile?: string } }[];
}

async function main(path: string): Promise<Printed> {
  const { KubeConfig, loadYaml } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(path);
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error('the current context names no cluster');
  const options: Record<string, unknown> & { headers?: Record<string, string>; agent?: Agent } = {};
  await config.applyToHTTPSOptions(options);
  const { headers = {} } = options;
  const tls = Object.fromEntries(
    ['ca', 'cert', 'key', 'passphrase', 'servername', 'rejectUnauthorized'].flatMap((name) => {
      const value = options[name];
      return value === undefined ? [] : [[name, Buffer.isBuffer(value) ? value.toString('utf8') : value]];
    }),
  );
  const { users = [] } = loadYaml<KubeconfigText>(readFileSync(path, 'utf8'));
  const tokenFile = users.find(({ name }) => name === config.getCurrentUser()?.name)?.user?.tokenFile;
  const authorization =
    tokenFile === undefined
      ? (headers['Authorization'] ?? headers['authorization'])
      : `Bearer ${readFileSync(resolve(dirname(path), tokenFile), 'utf8').trim()}`;
  return { server: cluster.server, headers: authorization ? { authorization } : {}, tls };
}

main(process.argv[2] ?? '').then(
  (printed) => process.stdout.write(JSON.stringify(printed)),
  (error: unknown) => {
    process.stderr.write(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  },
);

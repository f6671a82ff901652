/**
 * A program: reads the kubeconfig file named by its argument with @kubernetes/client-node, every kind of authentication it knows
 * included (exec plug-ins, OIDC, files), and prints what a call needs as JSON. A process of its own, because loading that package
 * costs some 60 MB of memory for as long as a process lives, and this is needed for a moment.
 */
import type { Agent } from 'node:https';

interface Printed {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Readonly<Record<string, unknown>>;
}

async function main(path: string): Promise<Printed> {
  const { KubeConfig } = await import('@kubernetes/client-node');
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
  const authorization = headers['Authorization'] ?? headers['authorization'];
  return { server: cluster.server, headers: authorization ? { authorization } : {}, tls };
}

main(process.argv[2] ?? '').then(
  (printed) => process.stdout.write(JSON.stringify(printed)),
  (error: unknown) => {
    process.stderr.write(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  },
);

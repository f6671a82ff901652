import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, rootCertificates } from 'node:tls';
import type { Clock, Logger } from '../../runtime';
import type { EtcdTlsOptions } from './etcd-options';

/*
 * Certificates on disk, and when they change. Rotation (certmonger, cert-manager, a cron job) writes new files under a running
 * daemon, often the certificate a moment before its key. So: the files' identities are looked at before a call, at most every
 * few seconds; a change is read and tried; a set that does not fit together yet is left alone, with one line in the log, and
 * the last good one stays in use.
 */
const LOOK_INTERVAL_MS = 5_000;

/** Where distributions keep the system's bundle; the first that exists counts. SSL_CERT_FILE goes before, as with OpenSSL and Go. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** PEM texts for one client. `version` changes with the contents. */
export interface TlsMaterial {
  readonly version: number;
  readonly rootCertificate: Buffer;
  readonly certChain?: Buffer;
  readonly privateKey?: Buffer;
}

export interface TlsFilesOptions {
  readonly tls: EtcdTlsOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TlsFiles {
  private material: TlsMaterial | null = null;
  private identity = '';
  private complained = '';
  private lookedAt = Number.NEGATIVE_INFINITY;
  private looking: Promise<TlsMaterial> | null = null;

  constructor(private readonly options: TlsFilesOptions) {}

  /** The material to use now. Rejects only while there has never been a usable set. */
  current(): Promise<TlsMaterial> {
    const fresh = this.options.clock.monotonic() - this.lookedAt < LOOK_INTERVAL_MS;
    if (fresh && this.material) return Promise.resolve(this.material);
    this.looking ??= this.look().finally(() => (this.looking = null));
    return this.looking;
  }

  /** The next `current` looks at the files whatever the time: a connection failed, maybe for an old certificate. */
  suspect(): void {
    this.lookedAt = Number.NEGATIVE_INFINITY;
  }

  private async look(): Promise<TlsMaterial> {
    this.lookedAt = this.options.clock.monotonic();
    const { caFile, certFile, keyFile } = this.options.tls;
    const rootFile = present(caFile) ?? (await systemBundle());
    const files = [rootFile, present(certFile), present(keyFile)].filter((file) => file !== undefined);
    const identity = (await Promise.all(files.map(identify))).join(' ');
    if (this.material && identity === this.identity) return this.material;
    try {
      this.material = await this.read(rootFile, present(certFile), present(keyFile));
      this.identity = identity;
      this.complained = '';
      if (this.material.version > 1) this.options.logger.info('certificate files changed, new connections use them');
      return this.material;
    } catch (error) {
      if (!this.material) throw error;
      this.complain(identity, error as Error);
      return this.material;
    }
  }

  private async read(root?: string, cert?: string, key?: string): Promise<TlsMaterial> {
    const [ca, certChain, privateKey] = await Promise.all([root, cert, key].map(readIfGiven));
    // Throws where certificate and key do not belong together, or are not PEM.
    createSecureContext({
      ...(ca && { ca }),
      ...(certChain && { cert: certChain }),
      ...(privateKey && { key: privateKey }),
    });
    return {
      version: (this.material?.version ?? 0) + 1,
      rootCertificate: ca ?? Buffer.from(rootCertificates.join('\n')),
      ...(certChain && { certChain }),
      ...(privateKey && { privateKey }),
    };
  }

  private complain(identity: string, error: Error): void {
    if (identity === this.complained) return;
    this.complained = identity;
    this.options.logger.warn('changed certificate files do not fit together, keeping the old ones', {
      error: error.message,
    });
  }
}

function readIfGiven(file: string | undefined): Promise<Buffer | undefined> {
  return file === undefined ? Promise.resolve(undefined) : readFile(file);
}

function present(file: string | undefined): string | undefined {
  return file === '' ? undefined : file;
}

/** Where there is none, the bundle that Node.js carries has to do. */
async function systemBundle(): Promise<string | undefined> {
  const candidates = [process.env['SSL_CERT_FILE'], ...SYSTEM_BUNDLES];
  for (const file of candidates) if (file !== undefined && (await identify(file)) !== MISSING) return file;
  return undefined;
}

const MISSING = 'missing';

async function identify(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch {
    return MISSING;
  }
}

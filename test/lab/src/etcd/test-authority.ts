import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../command';

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface CertificateOptions {
  /** File name and common name. */
  readonly name: string;
  /** Subject alternative names, `IP:127.0.0.1` or `DNS:localhost`. */
  readonly names?: readonly string[];
  readonly days?: number;
}

/** A certificate authority for one test, made by openssl, in a directory of its own. */
export class TestAuthority {
  private constructor(
    private readonly directory: string,
    private readonly own: CertificateFiles,
  ) {}

  static async create(directory: string, name = 'ca'): Promise<TestAuthority> {
    const folder = join(directory, name);
    await mkdir(folder, { recursive: true });
    const files = pathsOf(folder, 'ca');
    await openssl([
      'req',
      '-x509',
      ...newKey(files.keyFile),
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
      '-out',
      files.certFile,
    ]);
    return new TestAuthority(folder, files);
  }

  /** PEM of the authority's own certificate. */
  get caFile(): string {
    return this.own.certFile;
  }

  /** A new key and certificate, for servers and clients alike; overwrites those of the same name. */
  async certificate({
    name,
    names = ['IP:127.0.0.1', 'DNS:localhost'],
    days = 2,
  }: CertificateOptions): Promise<CertificateFiles> {
    const files = pathsOf(this.directory, name);
    const request = join(this.directory, `${name}.csr`);
    const extensions = join(this.directory, `${name}.ext`);
    await writeFile(extensions, `subjectAltName=${names.join(',')}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    await openssl(['req', ...newKey(files.keyFile), '-subj', `/CN=${name}`, '-out', request]);
    const signer = ['-CA', this.own.certFile, '-CAkey', this.own.keyFile, '-CAcreateserial'];
    const content = ['-in', request, '-extfile', extensions, '-days', String(days), '-out', files.certFile];
    await openssl(['x509', '-req', ...signer, ...content]);
    return files;
  }
}

function pathsOf(directory: string, name: string): CertificateFiles {
  return { certFile: join(directory, `${name}.crt`), keyFile: join(directory, `${name}.key`) };
}

function newKey(keyFile: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
}

async function openssl(argv: readonly string[]): Promise<void> {
  await runCommand(['openssl', ...argv]);
}

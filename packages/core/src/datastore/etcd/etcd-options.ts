import { TartanError } from '../../errors';
import type { Clock, Logger, Random } from '../../runtime';

/** Where the original keeps its keys. */
export const DEFAULT_ETCD_PREFIX = '/coreos.com/network';
const DEFAULT_PORT = 2379;

export interface EtcdTlsOptions {
  /** PEM bundle of the authorities to trust; the system's own when absent. */
  readonly caFile?: string | undefined;
  /** PEM client certificate (with its chain) and key; both or none. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export interface EtcdDatastoreOptions {
  /** `https://host:port`, `http://host:port` or `host:port`; one suffices, all members are better. */
  readonly endpoints: readonly string[];
  /** Parent of `config` and `subnets`; /coreos.com/network unless given. */
  readonly prefix?: string;
  /** Files are read again when they change. */
  readonly tls?: EtcdTlsOptions;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Limit of one call including fail-over to other endpoints, milliseconds; 5000 unless given. */
  readonly timeoutMs?: number;
  /** Pause between the signs of life that an idle watch yields, milliseconds; 60 s unless given. */
  readonly progressIntervalMs?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface EtcdEndpoint {
  /** `host:port` as gRPC takes it. */
  readonly target: string;
  readonly secure: boolean;
}

/**
 * The endpoints, all with or all without TLS. One without a scheme uses TLS when certificate files are given. Throws
 * DATASTORE_OPTION_INVALID; a password inside a URL never shows up in the message.
 */
export function parseEtcdEndpoints(endpoints: readonly string[], tls: EtcdTlsOptions = {}): readonly EtcdEndpoint[] {
  const secureByDefault = Object.values(tls).some((file) => file !== undefined && file !== '');
  const parsed = endpoints.map((text) => text.trim()).filter((text) => text !== '');
  if (parsed.length === 0) throw invalid('etcd endpoints', 'empty', 'at least one, such as https://10.0.0.1:2379');
  const result = parsed.map((text) => parseEndpoint(text, secureByDefault));
  if (new Set(result.map(({ secure }) => secure)).size > 1) {
    throw invalid('etcd endpoints', 'a mix of http and https', 'one scheme for all of them');
  }
  return result;
}

function parseEndpoint(text: string, secureByDefault: boolean): EtcdEndpoint {
  const scheme = /^([a-z][\da-z+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const expected = 'http://host:port or https://host:port';
  if (text.includes('@'))
    throw invalid('etcd endpoint', 'a URL with credentials (hidden)', `${expected}; use --etcd-username`);
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') throw invalid('etcd endpoint', text, expected);
  const secure = scheme === undefined ? secureByDefault : scheme === 'https';
  // The URL class drops a port that equals the scheme's default; with http for all, 443 stays.
  const rest = scheme === undefined ? text : text.slice(scheme.length + 3);
  const url = URL.canParse(`ftp://${rest}`) ? new URL(`ftp://${rest}`) : null;
  if (!url || url.hostname === '' || !['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') {
    throw invalid('etcd endpoint', text, expected);
  }
  return { target: `${url.hostname}:${url.port === '' ? DEFAULT_PORT : url.port}`, secure };
}

/** Rejects combinations that the original silently turns into plain text or a nil dereference. */
export function checkEtcdOptions(options: EtcdDatastoreOptions): void {
  const { tls = {}, username = '', password = '' } = options;
  const given = (file: string | undefined): boolean => file !== undefined && file !== '';
  if (given(tls.certFile) !== given(tls.keyFile)) {
    const missing = given(tls.certFile) ? 'key' : 'certificate';
    throw invalid(
      'etcd client certificate',
      `given without its ${missing} file`,
      'both the certificate and the key file',
    );
  }
  if (password !== '' && username === '')
    throw invalid('etcd user name', 'empty', 'a name, because a password is given');
}

function invalid(option: string, value: string, expected: string): TartanError {
  return new TartanError('DATASTORE_OPTION_INVALID', { option, value, expected });
}

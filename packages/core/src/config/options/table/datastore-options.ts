import { durationOption, listOption, parsedOption, textOption } from '../option-kinds';

/** Where leases and the network config live. */
export type DatastoreChoice =
  { readonly kind: 'etcd' } | { readonly kind: 'kube' } | { readonly kind: 'file'; readonly path: string };

export const datastoreOptions = {
  datastore: parsedOption<DatastoreChoice>({
    section: 'Datastore',
    placeholder: 'etcd|kube|file:PATH',
    default: { kind: 'etcd' },
    expected: '"etcd", "kube", or "file:" followed by a path',
    help: 'Where the network config and the leases live: etcd, the Kubernetes API, or a nodes file or directory.',
    parse: parseDatastore,
    format: (choice) => (choice.kind === 'file' ? `file:${choice.path}` : choice.kind),
  }),
  'etcd-endpoints': listOption({
    section: 'Datastore',
    origin: 'flannel',
    placeholder: 'URL,...',
    default: ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'],
    separator: ',',
    expected: 'URLs such as https://10.0.0.1:2379, separated by commas, without user and path',
    help: 'Client URLs of the etcd members, separated by commas or repeated. Any one of them is enough.',
    valid: isEndpoint,
  }),
  'etcd-prefix': textOption({
    section: 'Datastore',
    origin: 'flannel',
    placeholder: 'PATH',
    default: '/coreos.com/network',
    nonEmpty: 'a path in etcd such as /coreos.com/network',
    help: 'Path in etcd below which the keys "config" and "subnets" lie. Two overlays on one etcd take two prefixes.',
  }),
  'etcd-keyfile': tlsFile(
    'Private key of the client certificate, PEM. Needs --etcd-certfile. Re-read when it changes.',
  ),
  'etcd-certfile': tlsFile('Client certificate, PEM. Needs --etcd-keyfile. Re-read when it changes.'),
  'etcd-cafile': {
    ...tlsFile('Certificates of the authorities that sign the etcd servers, PEM. Without it those of the system.'),
    note: 'Works without a client certificate too; the original ignores it then.',
  },
  'etcd-username': textOption({
    section: 'Datastore',
    origin: 'flannel',
    placeholder: 'NAME',
    default: '',
    help: 'User for the authentication of etcd.',
  }),
  'etcd-password': textOption({
    section: 'Datastore',
    origin: 'flannel',
    default: '',
    secret: true,
    help: 'Password of --etcd-username. Better given in the environment or the options file: ps shows the command line to everybody. Never logged.',
  }),
  'etcd-timeout': durationOption({
    section: 'Datastore',
    defaultMs: 5_000,
    minMs: 100,
    maxMs: 600_000,
    help: 'Time limit of one call to etcd. A call that runs out is logged and repeated.',
  }),
};

function tlsFile(help: string) {
  return textOption({ section: 'Datastore', origin: 'flannel', placeholder: 'FILE', default: '', help });
}

function parseDatastore(text: string): DatastoreChoice | undefined {
  if (text === 'etcd' || text === 'kube') return { kind: text };
  const path = text.startsWith('file:') ? text.slice('file:'.length) : '';
  return path === '' ? undefined : { kind: 'file', path };
}

/** http(s)://host[:port] or host:port, which the original's client takes as well. */
function isEndpoint(text: string): boolean {
  const full = text.includes('://') ? text : `http://${text}`;
  if (/\s/.test(text) || !URL.canParse(full)) return false;
  const { protocol, username, password, pathname, search, hash } = new URL(full);
  return (
    /^https?:$/.test(protocol) && pathname === '/' && [username, password, search, hash].every((part) => part === '')
  );
}

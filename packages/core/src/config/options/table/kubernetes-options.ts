import { durationOption, parsedOption, switchOption, textOption } from '../option-kinds';

/** Kubernetes instead of etcd: subnets are the podCIDRs of the Node objects. */
export const kubernetesOptions = {
  'kube-subnet-mgr': switchOption({
    section: 'Kubernetes',
    origin: 'flannel',
    default: false,
    help: 'Take subnets from the Kubernetes API instead of etcd: the podCIDRs of the Node objects. The same as --datastore=kube.',
  }),
  'kube-api-url': parsedOption<readonly string[]>({
    section: 'Kubernetes',
    origin: 'flannel',
    placeholder: 'URL,...',
    default: [],
    expected: 'URLs such as https://10.0.0.1:6443, separated by commas',
    help: 'API servers, separated by commas, tried in turn. Without it the one of --kubeconfig-file, or the one that pods are told of.',
    note: 'The original takes one URL.',
    parse: parseApiUrls,
    format: (urls) => urls.join(','),
  }),
  'kubeconfig-file': text('', 'Path of a kubeconfig file. Without it the service account of the pod.'),
  'kube-annotation-prefix': text(
    'flannel.alpha.coreos.com',
    'Prefix of the node annotations: a domain in lower case, with or without /word behind it.',
  ),
  'net-config-path': {
    ...text('/etc/kube-flannel/net-conf.json', 'File with the network config.'),
    note: 'The original reads it once; here changes are picked up.',
  },
  'kube-start-spread': durationOption({
    section: 'Kubernetes',
    defaultMs: 500,
    minMs: 0,
    maxMs: 600_000,
    help: 'The first list of all nodes is asked for at a random time within this, so that nodes which boot together do not ask together. With thousands of nodes and small API servers some seconds are better.',
  }),
  'set-node-network-unavailable': switchOption({
    section: 'Kubernetes',
    origin: 'flannel',
    default: true,
    help: 'Set the node condition NetworkUnavailable to False once the node is ready.',
    note: 'The original sets it before any peer is programmed.',
  }),
  'withdraw-node-network': switchOption({
    section: 'Kubernetes',
    default: true,
    help: 'Set the node condition NetworkUnavailable back to True, with the reason, while the node cannot carry traffic: nothing new is scheduled there, running pods stay. Needs --set-node-network-unavailable.',
  }),
};

function text(defaultText: string, help: string) {
  return textOption({ section: 'Kubernetes', origin: 'flannel', default: defaultText, help });
}

function parseApiUrls(text: string): string[] | undefined {
  const urls = text
    .split(',')
    .map((url) => url.trim())
    .filter(Boolean);
  return urls.every(isApiUrl) ? urls : undefined;
}

function isApiUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, search, hash } = new URL(url);
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === '');
}

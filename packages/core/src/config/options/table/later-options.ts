import type { Inert } from '../option';
import { switchOption, textOption } from '../option-kinds';

const kubernetesComes: Inert = { kind: 'later', note: 'This version has no Kubernetes mode.' };

/** Flags of the original whose subject this version does not have. They are accepted, so that it can be dropped in. */
export const kubernetesOptions = {
  'kube-subnet-mgr': switchOption({
    section: 'Kubernetes',
    origin: 'flannel',
    default: false,
    help: 'Take subnets from the Kubernetes API instead of etcd.',
    note: 'This version has no Kubernetes mode and refuses to start with it.',
  }),
  'kube-api-url': kubernetesText('', 'URL of the API server.'),
  'kubeconfig-file': kubernetesText('', 'Path of a kubeconfig file.'),
  'kube-annotation-prefix': kubernetesText('flannel.alpha.coreos.com', 'Prefix of the node annotations.'),
  'net-config-path': kubernetesText(
    '/etc/kube-flannel/net-conf.json',
    'File with the network config, read in Kubernetes mode.',
  ),
  'set-node-network-unavailable': switchOption({
    section: 'Kubernetes',
    origin: 'flannel',
    default: true,
    help: 'Set the node condition NetworkUnavailable.',
    inert: kubernetesComes,
  }),
};

function kubernetesText(defaultText: string, help: string) {
  return textOption({
    section: 'Kubernetes',
    origin: 'flannel',
    default: defaultText,
    help,
    inert: kubernetesComes,
  });
}

import { TartanError } from '@tartan/core';

/** Full names of the annotations that nodes carry (flannel-compat 3.2). */
export interface AnnotationNames {
  readonly kubeSubnetManager: string;
  readonly backendType: string;
  readonly backendData: string;
  readonly backendV6Data: string;
  readonly publicIP: string;
  readonly publicIPv6: string;
  /** Written by the administrator, as the following ones are: published instead of the address found (NAT). */
  readonly publicIPOverwrite: string;
  readonly publicIPv6Overwrite: string;
  /** Stands for --public-ip and --public-ipv6. */
  readonly nodePublicIP: string;
  readonly nodePublicIPv6: string;
}

export const DEFAULT_ANNOTATION_PREFIX = 'flannel.alpha.coreos.com';

const FORM = /^(?:[a-z0-9_-]+\.)+[a-z0-9_-]+\/(?:[a-z0-9_-]+-)?$/;

/**
 * The names below `prefix`, by flannel's rules: `org.com` gives `org.com/backend-type`, `org.com/9` gives `org.com/9-backend-type`.
 * Throws DATASTORE_OPTION_INVALID.
 */
export function annotationNames(prefix: string): AnnotationNames {
  const full = completePrefix(prefix);
  if (!FORM.test(full)) {
    throw new TartanError('DATASTORE_OPTION_INVALID', {
      option: '--kube-annotation-prefix',
      value: JSON.stringify(prefix),
      expected: 'a domain in lower case with at least one dot, such as example.org, with or without /word behind it',
    });
  }
  return {
    kubeSubnetManager: `${full}kube-subnet-manager`,
    backendType: `${full}backend-type`,
    backendData: `${full}backend-data`,
    backendV6Data: `${full}backend-v6-data`,
    publicIP: `${full}public-ip`,
    publicIPv6: `${full}public-ipv6`,
    publicIPOverwrite: `${full}public-ip-overwrite`,
    publicIPv6Overwrite: `${full}public-ipv6-overwrite`,
    nodePublicIP: `${full}node-public-ip`,
    nodePublicIPv6: `${full}node-public-ipv6`,
  };
}

function completePrefix(prefix: string): string {
  if (!prefix.includes('/')) return `${prefix}/`;
  return prefix.endsWith('/') || prefix.endsWith('-') ? prefix : `${prefix}-`;
}

import { readFile } from 'node:fs/promises';

/** The subnet file of a node as plain text values; absent keys are undefined. */
export interface SubnetFile {
  readonly network: string | undefined;
  /** Address of the node's bridge with the subnet's length: 10.42.7.1/24. */
  readonly subnet: string | undefined;
  readonly ipv6Network: string | undefined;
  readonly ipv6Subnet: string | undefined;
  readonly mtuBytes: number;
  readonly ipMasq: boolean;
}

/** Read as a container runtime does, on purpose not with the code that writes it. Rejects when the file is missing. */
export async function readSubnetFile(path: string): Promise<SubnetFile> {
  const values = new Map<string, string>();
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    const match = /^FLANNEL_(\w+)=(.*)$/.exec(line);
    if (match) values.set(match[1] as string, match[2] as string);
  }
  return {
    network: values.get('NETWORK'),
    subnet: values.get('SUBNET'),
    ipv6Network: values.get('IPV6_NETWORK'),
    ipv6Subnet: values.get('IPV6_SUBNET'),
    mtuBytes: Number(values.get('MTU')),
    ipMasq: values.get('IPMASQ') === 'true',
  };
}

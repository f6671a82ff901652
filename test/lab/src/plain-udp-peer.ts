import { join } from 'node:path';
import { Ipv4Prefix } from '@tartan/core';
import { runCommand } from './command';
import type { Host } from './host';
import type { LabProcess } from './lab-process';
import { labProgram } from './programs';

export interface PlainUdpPeerOptions {
  readonly host: Host;
  /** Of the host's pods: `10.42.1.0/24`. */
  readonly subnet: string;
  /** The whole overlay, which is routed into the TUN. */
  readonly network: string;
  /** Of the TUN. */
  readonly mtuBytes: number;
  /** In the order in which they are looked through: the first match counts. */
  readonly routes: readonly { readonly prefix: string; readonly nextHop: string }[];
  /** Own and the peers'; default 8285. */
  readonly port?: number;
  /** Default `flannel0`. */
  readonly ifname?: string;
}

/** Builds a C program of test/lab/programs into a folder and gives its path; rejects with what the compiler said. */
export async function compileProgram(name: string, folder: string, source = labProgram(`${name}.c`)): Promise<string> {
  const program = join(folder, name);
  await runCommand(['cc', '-O2', '-o', program, source], { timeoutMs: 60_000 });
  return program;
}

/**
 * Another implementation of the udp backend, at work on a host: programs/plain-udp-peer.c with the device, address and route that
 * flanneld would make. Ends with the lab; the TUN goes with the process.
 */
export async function startPlainUdpPeer(options: PlainUdpPeerOptions): Promise<LabProcess> {
  const { host, subnet, network, mtuBytes, routes, port = 8285, ifname = 'flannel0' } = options;
  const address = Ipv4Prefix.parse(subnet).address.toString();
  const program = await compileProgram('plain-udp-peer', host.directory);
  const table = routes.map(({ prefix, nextHop }) => `${prefix}=${nextHop}`);
  const peer = await host.start({
    name: 'plain-udp-peer',
    argv: [program, ifname, String(mtuBytes), address, host.ipv4, String(port), ...table],
    stdout: 'lines',
  });
  await peer.waitForLine(/^ready$/);
  await host.ipBatch([
    `address add ${address}/32 dev ${ifname}`,
    `link set ${ifname} mtu ${mtuBytes} up`,
    `route add ${network} dev ${ifname}`,
  ]);
  return peer;
}

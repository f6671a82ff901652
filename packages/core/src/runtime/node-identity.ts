import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { OwnerIdentity } from '../lease';

/** The fixed, application-specific key that machine-id(5) asks for; changing it would disown every lease. */
const APPLICATION = 'tartan lease owner, version 1';
/** 128 bits, as many as the machine id itself has. */
const HASH_HEX_DIGITS = 32;

export interface NodeIdentityOptions {
  /** --node-name; empty is absent. */
  readonly nodeName?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** os.hostname. */
  readonly hostname: () => string;
  /** /etc/machine-id unless told. */
  readonly machineIdPath?: string;
}

/**
 * Who this node is: --node-name, else NODE_NAME, else the host name; and which machine, as a keyed hash of its machine id. The
 * id itself is confidential (machine-id(5)) and never leaves the host. Containers often have none; then there is no hash.
 */
export async function readNodeIdentity(options: NodeIdentityOptions): Promise<OwnerIdentity> {
  const { nodeName, env, hostname, machineIdPath = '/etc/machine-id' } = options;
  const node = [nodeName, env['NODE_NAME'], hostname()].map((name) => name?.trim()).find((name) => name);
  const machineId = await readMachineId(machineIdPath);
  return { node: node ?? 'localhost', ...(machineId !== undefined && { machine: hashMachineId(machineId) }) };
}

/** HMAC-SHA256 keyed with the id over a constant, the construction of sd_id128_get_machine_app_specific(3). */
export function hashMachineId(machineId: string): string {
  const hash = createHmac('sha256', Buffer.from(machineId, 'hex')).update(APPLICATION).digest('hex');
  return hash.slice(0, HASH_HEX_DIGITS);
}

/** 32 lower-case hex digits; anything else (empty, "uninitialized" during the first boot) counts as none. */
async function readMachineId(path: string): Promise<string | undefined> {
  try {
    const text = (await readFile(path, 'utf8')).trim();
    return /^[0-9a-f]{32}$/.test(text) && !/^0+$/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

import { readFile, rm } from 'node:fs/promises';
import { writeFileAtomic } from '@tartan/core';

/*
 * What the daemon tells the plugin about this node: one small JSON file beside subnet.env. The plugin's STATUS refuses while it says
 * "not ready", and a pod that cannot be attached gets the reason in its events. A file and no socket, because a daemon that is being
 * upgraded leaves the node forwarding: the file goes on saying so (native/src/node_status.h has the reader's rules).
 */

export interface NodeStatus {
  readonly ready: boolean;
  /** What is missing, as one line; only when not ready. */
  readonly reason?: string;
}

/** Where the plugin looks, given its `subnetFile`. */
export function nodeStatusPath(subnetFile: string): string {
  return `${subnetFile}.status`;
}

/** Rejects with FILE_WRITE_FAILED. */
export async function writeNodeStatus(path: string, status: NodeStatus): Promise<void> {
  await writeFileAtomic({ path, data: `${JSON.stringify(status)}\n` });
}

/** null for a file that is not there or says nothing usable. Never rejects. */
export async function readNodeStatus(path: string): Promise<NodeStatus | null> {
  try {
    const { ready } = JSON.parse(await readFile(path, 'utf8')) as { ready?: unknown };
    return typeof ready === 'boolean' ? { ready } : null;
  } catch {
    return null;
  }
}

/** A file that is not there is as good. */
export async function removeNodeStatus(path: string): Promise<void> {
  await rm(path, { force: true });
}

import type { RtNetlink } from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';
import { createNamespace } from '../../../netlink/test/support/namespaces';

/** A network namespace of the kernel, and a handle on it. */
export interface OpenNamespace {
  readonly netlink: RtNetlink;
  /** One `ip` command, e.g. `-d link show flannel.1`; its output. */
  ip(text: string): string;
  /** One `bridge` command. */
  bridge(text: string): string;
  /** Any program; its output. Throws when it fails. */
  run(program: string, ...args: string[]): string;
  /** For processes that are to be started inside, with nsenter. */
  readonly pid: number;
  close(): Promise<void>;
}

/** `commands` are `ip` commands, one per line; lo is up. */
export async function openNamespace(commands: string): Promise<OpenNamespace> {
  const namespace = await createNamespace();
  const words = (text: string): string[] => text.trim().split(/\s+/);
  const ip = (text: string): string => namespace.run('ip', ...words(text));
  ip('link set lo up');
  for (const line of commands.trim().split('\n')) ip(line);
  const netlink = createRtNetlink({ netns: namespace.pid });
  return {
    netlink,
    ip,
    bridge: (text) => namespace.run('bridge', ...words(text)),
    run: (program, ...args) => namespace.run(program, ...args),
    pid: namespace.pid,
    close: async () => {
      netlink.close();
      await namespace.close();
    },
  };
}

import type { RtNetlink } from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';
import { execFileSync } from 'node:child_process';

export interface OwnHost {
  readonly netlink: RtNetlink;
  /** One `ip` command. */
  ip(text: string): string;
  close(): void;
}

/**
 * A host in the network namespace of this very process, since that is where the native loop makes its device. scripts/in-namespace has made
 * the namespace; the test files of a run share it, one after the other.
 */
export function openOwnHost(commands: string): OwnHost {
  const ip = (text: string): string => execFileSync('ip', text.trim().split(/\s+/), { encoding: 'utf8' });
  const names = (): string[] => [...ip('-o link show').matchAll(/^\d+: ([^:@]+)/gm)].map(([, name = '']) => name);
  for (const line of commands.trim().split('\n')) ip(line);
  const netlink = createRtNetlink();
  return {
    netlink,
    ip,
    close: () => {
      netlink.close();
      for (const name of names().filter((each) => each !== 'lo')) if (names().includes(name)) ip(`link delete ${name}`);
      for (const family of ['-4', '-6']) ip(`${family} route flush proto 158`);
    },
  };
}

import { type DaemonOptions, type Logger, createCommandRunner } from '@tartan/core';
import { createRtNetlink } from '@tartan/netlink';
import { cleanUp } from './clean-up';
import { loadBackends } from './load-backends';

/** `tartand --cleanup` on this host; what it does goes to standard output. True when nothing failed. */
export async function runCleanUp(options: DaemonOptions, logger: Logger): Promise<boolean> {
  const backends = (await loadBackends(options.backendModule)).modules;
  const netlink = createRtNetlink({ logger });
  try {
    const tell = (line: string): void => void process.stdout.write(`${line}\n`);
    return await cleanUp({ options, netlink, runner: createCommandRunner(), backends, logger, tell });
  } finally {
    netlink.close();
  }
}

import { defineErrors } from './define-errors';

export const trafficErrors = defineErrors({
  TRAFFIC_TOOL_MISSING: {
    message: (data: { program: string }) => `the program ${data.program} is not installed`,
    cause: 'Masquerade and forward rules are programmed through nft or through iptables, and this one was not found.',
    cure: 'Install nftables (nft 1.0.1 or later) or iptables, or state --traffic-manager=none and keep the rules by other means.',
  },
  TRAFFIC_TOOL_FAILED: {
    message: (data: { program: string; reason: string }) => `${data.program} ${data.reason}`,
    cause:
      'A program that lists or changes packet filter rules ended with an error. The rules are as they were before.',
    cure: 'The text is the program’s own. Missing privilege (CAP_NET_ADMIN) and missing kernel modules (nf_tables, nf_nat, ip_tables) are the usual ones. It is tried again with growing delays.',
  },
  TRAFFIC_TOOL_TIMEOUT: {
    message: (data: { program: string; timeoutMs: number }) =>
      `${data.program} did not end within ${data.timeoutMs} ms`,
    cause: 'A program that lists or changes packet filter rules took too long and was ended.',
    cure: 'Look for load on the host, and for another program that holds the lock on the tables (fuser -v /run/xtables.lock). It is tried again with growing delays.',
  },
  TRAFFIC_TABLES_BUSY: {
    message: (data: { program: string; waitSeconds: number }) =>
      `${data.program} could not get the lock on the tables within ${data.waitSeconds} s`,
    cause: 'Another program held the xtables lock for the whole time. The rules are as they were before.',
    cure: 'Nothing needs to be done when it passes: it is tried again. Otherwise find the holder with fuser -v /run/xtables.lock.',
  },
  TRAFFIC_MODE_UNUSABLE: {
    message: (data: { mode: string; reason: string }) => `${data.mode} cannot be used here: ${data.reason}`,
    cause: 'The way of programming rules that was asked for, or every one of them, does not work on this host.',
    cure: 'Install what is missing, or choose another --traffic-manager. It is tried again with growing delays, so no restart is needed.',
  },
});

import type { Finding } from '../../reconcile';
import type { ModeDecision } from '../choose-mode';

/** No tool for the rules. Without masquerading nothing is missing as long as nobody blocks forwarding. */
export function unusableFinding(
  { wanted, reason }: Extract<ModeDecision, { mode: null }>,
  masquerade: boolean,
): Finding {
  return {
    severity: masquerade ? 'error' : 'warning',
    code: 'TRAFFIC_MODE_UNUSABLE',
    subject: wanted,
    message: `masquerade and forward rules cannot be programmed through ${wanted}: ${reason}`,
    cure: 'Install nftables (nft 1.0.1 or later) or iptables; it is found without a restart. Or state --traffic-manager=none.',
  };
}

/** The network config asks for nftables, and it cannot be had. */
export function fallbackFindings(decision: ModeDecision): Finding[] {
  if (decision.mode === null || decision.instead === undefined) return [];
  return [
    {
      severity: 'warning',
      code: 'NFTABLES_UNUSABLE',
      subject: 'EnableNFTables',
      message: `the network config asks for nftables, but iptables is used here: ${decision.instead}`,
      cure: 'Install nftables (nft 1.0.1 or later) on this host, or remove EnableNFTables from the network config.',
    },
  ];
}

export function taskFinding(name: string, error: Error): Finding {
  return {
    severity: 'error',
    code: 'TRAFFIC_RULES_FAILED',
    subject: `rules of ${name}`,
    message: error.message,
    cure: 'It is tried again by itself. docs/errors.md names the usual causes.',
  };
}

/** From what is known of any contested object, with the words for rules. */
export function contestedFinding({ severity, subject, message }: Finding): Finding {
  return {
    severity,
    code: 'TRAFFIC_RULES_CONTESTED',
    subject,
    message,
    cure: 'Find out who: "nft monitor" and "xtables-monitor --event" show each change and its process. Repairs go on, at longer intervals.',
  };
}

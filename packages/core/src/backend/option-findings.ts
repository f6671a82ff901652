import type { ConfigWarning } from '../config';
import type { Finding } from '../reconcile';

/** What was odd about a backend's options, for those who look at the node. */
export function optionFindings(warnings: readonly ConfigWarning[]): Finding[] {
  return warnings.map(({ kind, key, message }) => ({
    severity: 'warning',
    code: kind === 'unknown-key' ? 'CONFIG_UNKNOWN_KEY' : 'CONFIG_REPEATED_KEY',
    subject: key,
    message,
    cure: 'Correct the network config.',
  }));
}

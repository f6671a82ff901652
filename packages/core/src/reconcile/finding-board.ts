import type { Logger } from '../runtime';
import type { Finding } from './kernel-state';
import { limitFindings } from './pass-findings';

/** More than this of one code help nobody; the count of all is in the metric. */
const SHOWN_PER_CODE = 50;

const levels = { error: 'error', warning: 'warn', info: 'info' } as const;

/** What stands now. A finding is logged when it comes up and when it goes, not on each pass that sees it again. */
export class FindingBoard {
  private shown = new Map<string, Finding>();

  constructor(private readonly logger: Logger) {}

  get current(): readonly Finding[] {
    return [...this.shown.values()];
  }

  /** `findings` is all that stands from now on. */
  replace(findings: readonly Finding[]): void {
    const next = new Map(
      limitFindings(findings, SHOWN_PER_CODE).map((finding) => [`${finding.code} ${finding.subject}`, finding]),
    );
    for (const [key, finding] of next) {
      if (!this.shown.has(key)) this.logger[levels[finding.severity]]('finding', { ...finding });
    }
    for (const [key, { code, subject }] of this.shown) {
      if (!next.has(key)) this.logger.info('finding cleared', { code, subject });
    }
    this.shown = next;
  }
}

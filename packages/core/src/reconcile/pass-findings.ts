import type { Finding } from './kernel-state';
import type { WaitingObject } from './delta-parts';
import type { FailedOp } from './op-record';

/** One finding per kind of failure, however many objects it hit: five thousand unreachable gateways have one cause. */
export function failureFindings(failed: readonly FailedOp[]): Finding[] {
  return [...groupBy(failed, failureText)].map(([subject, ops]) => failureFinding(subject, ops));
}

function failureText({ operation, error }: FailedOp): string {
  return `${operation} ${error.data.errnoName}`;
}

function failureFinding(subject: string, ops: readonly FailedOp[]): Finding {
  const first = ops[0] as FailedOp;
  const others = ops.length === 1 ? '' : ` and ${ops.length - 1} more`;
  return {
    severity: 'error',
    code: 'KERNEL_REFUSED',
    subject,
    message: `${first.subject}${others}: ${first.error.message}`,
    cure: 'It is tried again by itself. docs/errors.md names the usual causes under KERNEL_REFUSED.',
  };
}

/** One finding per interface that objects wait for. */
export function waitingFindings(waiting: readonly WaitingObject[]): Finding[] {
  return [...groupBy(waiting, ({ ifname, reason }) => `${ifname} ${reason}`).values()].map(waitingFinding);
}

function waitingFinding(objects: readonly WaitingObject[]): Finding {
  const { ifname, reason } = objects[0] as WaitingObject;
  const missing = reason === 'missing';
  return {
    severity: 'error',
    code: missing ? 'INTERFACE_MISSING' : 'INTERFACE_DOWN',
    subject: ifname,
    message: `the interface ${missing ? 'does not exist' : 'is down'}; objects that wait for it: ${objects.length}`,
    cure: `They are made as soon as it is there and up${missing ? '' : `: ip link set ${ifname} up`}.`,
  };
}

/** The kernel could not be read, or the pass broke off. */
export function brokenPassFinding(error: unknown): Finding {
  return {
    severity: 'error',
    code: 'PASS_FAILED',
    subject: 'reconciler',
    message: error instanceof Error ? error.message : String(error),
    cure: 'It is tried again by itself, with growing pauses. Forwarding goes on as it was.',
  };
}

/** The first of several findings with one code about one subject. */
export function distinctFindings(findings: readonly Finding[]): Finding[] {
  return [...groupBy(findings, ({ code, subject }) => `${code} ${subject}`).values()].map(
    (group) => group[0] as Finding,
  );
}

/** At most `limit` findings of each code, the rest as one that counts them. */
export function limitFindings(findings: readonly Finding[], limit: number): Finding[] {
  return [...groupBy(findings, ({ code }) => code).values()].flatMap((group) =>
    group.length <= limit ? group : [...group.slice(0, limit), summary(group, limit)],
  );
}

function summary(group: readonly Finding[], limit: number): Finding {
  const { severity, code } = group[0] as Finding;
  return { severity, code, subject: 'more', message: `${group.length - limit} more findings of this kind` };
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

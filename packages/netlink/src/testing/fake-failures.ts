import type { KernelOp } from '@tartan/core';
import { errnoNumber, type ErrnoName } from '../errno';

/** Every request that can be made to fail: the ops of apply() one by one, and the other calls as a whole. */
export type FakeRequest =
  | KernelOp
  | { readonly op: 'apply'; readonly ops: readonly KernelOp[] }
  | {
      readonly op:
        | 'list-links'
        | 'list-link-features'
        | 'list-addresses'
        | 'list-routes'
        | 'list-neighbours'
        | 'list-fdb'
        | 'lookup-routes'
        | 'subscribe';
    }
  | { readonly op: 'read-sysctl' | 'write-sysctl'; readonly path: string };

export type FakeRequestName = FakeRequest['op'];

export interface FailureOptions {
  /** The kernel's text beside the errno. */
  readonly extendedAck?: string;
  /** The socket fails (KERNEL_SOCKET) instead of the kernel refusing (KERNEL_REFUSED). */
  readonly socket?: boolean;
}

export interface InjectedFailure extends FailureOptions {
  readonly errno: ErrnoName;
  /** Positive number. */
  readonly number: number;
}

interface Rule {
  readonly matches: (request: FakeRequest) => boolean;
  readonly failure: InjectedFailure;
  left: number;
}

/** What tests want to go wrong, in the order in which they said so. */
export class FakeFailures {
  private rules: Rule[] = [];

  /** Returns a function that takes the rule back. */
  add(
    matches: (request: FakeRequest) => boolean,
    times: number,
    errno: ErrnoName,
    options: FailureOptions,
  ): () => void {
    const rule: Rule = { matches, left: times, failure: { ...options, errno, number: errnoNumber(errno) } };
    this.rules.push(rule);
    return () => {
      this.rules = this.rules.filter((other) => other !== rule);
    };
  }

  /** The failure for this request, if one is due; uses it up. */
  take(request: FakeRequest): InjectedFailure | undefined {
    const rule = this.rules.find((candidate) => candidate.left > 0 && candidate.matches(request));
    if (!rule) return undefined;
    rule.left--;
    return rule.failure;
  }

  clear(): void {
    this.rules = [];
  }
}

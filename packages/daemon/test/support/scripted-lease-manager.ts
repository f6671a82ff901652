import type { Lease, LeaseAttrs, LeaseListener, LeaseManager, LeaseRequest } from '@tartan/core';

interface Call<Input, Output> {
  readonly input: Input;
  readonly signal: AbortSignal;
  resolve(output: Output): void;
  reject(error: Error): void;
}

/** A lease manager that does what a test says, when it says so. Calls wait until they are answered, or aborted. */
export class ScriptedLeaseManager implements Pick<LeaseManager, 'acquire' | 'updateAttrs' | 'maintain'> {
  readonly acquisitions: Call<LeaseRequest, Lease>[] = [];
  readonly updates: Call<LeaseAttrs, Lease>[] = [];
  listener: LeaseListener | undefined;
  endMaintain: (error: Error) => void = () => undefined;

  acquire(input: LeaseRequest, signal: AbortSignal): Promise<Lease> {
    return enqueue(this.acquisitions, input, signal);
  }

  updateAttrs(input: LeaseAttrs, signal: AbortSignal): Promise<Lease> {
    return enqueue(this.updates, input, signal);
  }

  maintain(listener: LeaseListener, signal: AbortSignal): Promise<void> {
    this.listener = listener;
    return new Promise((resolve, reject) => {
      this.endMaintain = reject;
      signal.addEventListener('abort', () => resolve());
    });
  }
}

function enqueue<Input, Output>(calls: Call<Input, Output>[], input: Input, signal: AbortSignal): Promise<Output> {
  return new Promise((resolve, reject) => {
    calls.push({ input, signal, resolve, reject });
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

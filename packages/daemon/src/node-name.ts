import { type LeaseManager, type Logger, TartanError } from '@tartan/core';
import { beforeAbort } from './run-parts';

/*
 * The name of our node where nobody has told it, so that the API server has to be asked on which node our pod runs.
 *
 * A host that boots while no API server answers starts from memory, and that needs a name: the one of the last run. It is good enough
 * to bring the network up with, but nothing is written under it. Should the server say another one later, this process ends:
 * everything in it stands on the wrong name, and the next start asks first.
 */

export interface NodeNameOptions {
  /** Asks until the server has answered; calls `onProblem` after each try that failed. Rejects with the abort reason only. */
  readonly ask: (signal: AbortSignal, onProblem: () => void) => Promise<string>;
  /** The name of the last run, null when there is none. */
  readonly remembered: () => Promise<string | null>;
  readonly logger: Logger;
}

export class NodeName {
  private constructor(
    readonly name: string,
    private readonly answer: Promise<string>,
    /** False while the name is only remembered. */
    private known: boolean,
  ) {
    answer.then(
      (told) => (this.known = told === name),
      () => undefined,
    );
  }

  static told(name: string): NodeName {
    return new NodeName(name, Promise.resolve(name), true);
  }

  /** What the server says; if it does not answer at once and there is a name of the last run, that. The signal ends the asking. */
  static async find({ ask, remembered, logger }: NodeNameOptions, signal: AbortSignal): Promise<NodeName> {
    let onProblem = (): void => undefined;
    const problem = new Promise<null>((resolve) => (onProblem = () => resolve(null)));
    const answer = ask(signal, onProblem);
    // Whoever waits for it hears of it.
    answer.catch(() => undefined);
    const told = await Promise.race([answer, problem]);
    if (told !== null) return NodeName.told(told);
    const name = await remembered();
    if (name === null) return NodeName.told(await answer);
    logger.warn('the API server does not tell the name of this node, starting with that of the last run', {
      node: name,
    });
    return new NodeName(name, answer, false);
  }

  /** Resolves once the server has said the same. Rejects with NODE_NAME_CHANGED, and when the signal aborts. */
  async confirmed(signal: AbortSignal): Promise<void> {
    const told = await beforeAbort(this.answer, signal);
    signal.throwIfAborted();
    if (told !== this.name) throw new TartanError('NODE_NAME_CHANGED', { node: told ?? '', remembered: this.name });
  }

  /** A lease manager that asks for nothing while the name is only remembered: to its callers the datastore does not answer. */
  guard(leases: LeaseManager): LeaseManager {
    return {
      acquire: async (request, signal) => {
        if (!this.known) {
          request.onWaiting?.('the API server has not told the name of this node');
          request.onUnavailable?.();
        }
        await this.confirmed(signal);
        return leases.acquire(request, signal);
      },
      watchPeers: async (onSnapshot, signal) => {
        await this.confirmed(signal);
        return leases.watchPeers(onSnapshot, signal);
      },
      updateAttrs: (attrs, signal) => leases.updateAttrs(attrs, signal),
      maintain: (listener, signal) => leases.maintain(listener, signal),
      watchStatus: () => leases.watchStatus(),
    };
  }
}

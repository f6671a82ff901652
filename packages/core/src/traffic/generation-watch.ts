import type { Clock } from '../runtime';
import type { NftGeneration } from './nftables/nft-generation';

export interface GenerationWatchOptions {
  readonly generation: NftGeneration | undefined;
  readonly clock: Clock;
  /** Milliseconds between two looks. */
  readonly intervalMs: number;
  /** Called when the rule set is another one than at the last `mark`. */
  readonly onChange: () => void;
}

/** After a look that failed: nf_tables may not be loaded yet. */
const RETRY_MS = 30_000;

/**
 * Notices that somebody changed nftables, which iptables of the nf_tables flavour does too. Looking several times a second is cheaper
 * than listening: a listener is sent every rule of every transaction, ten thousand of them when kube-proxy writes its own.
 */
export class GenerationWatch {
  private marked: number | undefined;
  private working: boolean;

  constructor(private readonly options: GenerationWatchOptions) {
    this.working = options.generation !== undefined;
  }

  /** False while changes go unnoticed. */
  get works(): boolean {
    return this.working;
  }

  /** Call before the rules are read: what changes from here on is noticed. Gives the generation where it is known. */
  async mark(): Promise<number | undefined> {
    this.marked = await this.read();
    return this.marked;
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, onChange, generation } = this.options;
    if (!generation) return;
    for (;;) {
      await clock.sleep(this.working ? intervalMs : RETRY_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      const now = await this.read();
      if (this.marked !== undefined && now !== this.marked) onChange();
    }
  }

  private async read(): Promise<number | undefined> {
    try {
      const number = await this.options.generation?.read();
      this.working = number !== undefined;
      return number;
    } catch {
      this.working = false;
      return undefined;
    }
  }
}

import type { KernelPathPeer, KernelPathPlace, KernelPathStats } from '../../src';
import type { KernelPathHolderOptions, OpenKernelPath } from '../../src/kernel-path-holder';

/** A host's kernel as far as kernel paths go: notes what is asked of it, and refuses what it is told to. */
export class FakeKernelPathHost {
  readonly paths: FakeKernelPath[] = [];
  refuse: Partial<Record<'start' | 'makeReady' | 'setPeers' | 'remove', Error>> = {};
  removals = 0;

  readonly options: Omit<KernelPathHolderOptions, 'logger'> = {
    create: () => new FakeKernelPath(this),
    remove: () => {
      this.removals++;
      return this.answer('remove');
    },
  };

  get running(): readonly FakeKernelPath[] {
    return this.paths.filter(({ stopped }) => !stopped);
  }

  async answer(call: keyof FakeKernelPathHost['refuse']): Promise<void> {
    await Promise.resolve();
    const refusal = this.refuse[call];
    if (refusal) throw refusal;
  }
}

export class FakeKernelPath implements OpenKernelPath {
  place: KernelPathPlace | undefined;
  stopped = false;
  intact = true;
  /** One list for each call. */
  readonly programmed: string[][] = [];
  private busy = false;

  constructor(private readonly host: FakeKernelPathHost) {
    host.paths.push(this);
  }

  start(place: KernelPathPlace): Promise<void> {
    this.place = place;
    return this.host.answer('start');
  }

  makeReady(): Promise<void> {
    return this.host.answer('makeReady');
  }

  async setPeers(peers: readonly KernelPathPeer[]): Promise<void> {
    if (this.stopped || this.busy) throw new Error('called after stop(), or twice at once');
    this.busy = true;
    try {
      await this.host.answer('setPeers');
    } finally {
      this.busy = false;
    }
    this.programmed.push(
      peers.map(({ prefix, endpoint: { address, port } }) => `${prefix.toString()} ${address.toString()}:${port}`),
    );
  }

  isIntact(): boolean {
    return this.intact;
  }

  stats(): KernelPathStats {
    return {
      txPackets: 5n,
      txBytes: 500n,
      rxPackets: 6n,
      rxBytes: 600n,
      txLeftTtl: 1n,
      txLeftTooBig: 2n,
      txLeftUnsuitable: 3n,
      rxLeftAggregate: 4n,
      rxLeftForeign: 5n,
      droppedNoRoom: 6n,
      droppedForged: 7n,
    };
  }

  stop(): void {
    this.stopped = true;
  }
}

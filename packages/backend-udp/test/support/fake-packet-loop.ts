import type { IpAddress, RtNetlink } from '@tartan/core';
import { FakeKernel } from '@tartan/netlink/testing';
import type { PacketLoop, PacketLoopFeature, PacketLoopOptions, PacketLoopStats, PacketRoute } from '../../src';

/** What the loops of one host share: the ports that are taken. */
export class FakePacketHost {
  readonly loops: FakePacketLoop[] = [];
  /** The next start() rejects with it. */
  startFailure: Error | null = null;

  /** The loop that runs now. */
  get running(): FakePacketLoop | undefined {
    return this.loops.find(({ state }) => state === 'running');
  }

  create(options: PacketLoopOptions, netlink: RtNetlink): FakePacketLoop {
    const loop = new FakePacketLoop(this, options, netlink);
    this.loops.push(loop);
    return loop;
  }
}

/** A loop that carries nothing: it makes its TUN in a FakeKernel, takes its port, and remembers its table. */
export class FakePacketLoop implements PacketLoop {
  state: 'new' | 'running' | 'stopped' = 'new';
  routes: readonly PacketRoute[] = [];
  /** How often the table was set. */
  programmed = 0;
  counted: Partial<PacketLoopStats> = {};

  constructor(
    private readonly host: FakePacketHost,
    readonly options: PacketLoopOptions,
    private readonly netlink: RtNetlink,
  ) {}

  async start(): Promise<void> {
    await Promise.resolve();
    if (this.state !== 'new') throw new Error('a loop starts once');
    const failure = this.host.startFailure;
    this.host.startFailure = null;
    if (failure) throw failure;
    const { running } = this.host;
    if (running) throw new Error(`EADDRINUSE: port ${running.options.listen.port} has a loop already`);
    const { netlink, options } = this;
    if (!(netlink instanceof FakeKernel)) throw new Error('a fake loop needs a fake kernel');
    if (!netlink.hasLink(options.tunName)) {
      const { tunName: name, mtuBytes } = options;
      netlink.addLink({ name, kind: 'tun', mtuBytes, up: false, pointToPoint: true, addrGenMode: 0 });
    }
    this.state = 'running';
  }

  setRoutes(routes: readonly PacketRoute[]): void {
    this.routes = routes;
    this.programmed++;
  }

  features(): readonly PacketLoopFeature[] {
    return [
      { name: 'tunTso', on: true },
      { name: 'tunUso', on: false, reason: 'switched off' },
    ];
  }

  stats(): PacketLoopStats {
    return { ...noStats, ...this.counted };
  }

  stop(): Promise<void> {
    this.state = 'stopped';
    return Promise.resolve();
  }

  /** `10.5.2.0/24 192.168.50.2:8285 from 10.5.2.0` for each entry. */
  get routeLines(): string[] {
    return this.routes.map(
      ({ prefix, endpoint, icmpSource }) =>
        `${prefix.toString()} ${hostPort(endpoint.address, endpoint.port)} from ${icmpSource.toString()}`,
    );
  }
}

const noStats: PacketLoopStats = {
  txPackets: 0n,
  txBytes: 0n,
  rxPackets: 0n,
  rxBytes: 0n,
  tunReads: 0n,
  tunWrites: 0n,
  udpSends: 0n,
  udpReceives: 0n,
  drops: {},
};

function hostPort(address: IpAddress, port: number): string {
  return address.family === 6 ? `[${address.toString()}]:${port}` : `${address.toString()}:${port}`;
}

import { ShutdownRequested, parseDaemonOptions, type Datastore } from '@tartan/core';
import { FakeClock, MemoryLogger, MemoryStore } from '@tartan/core/testing';
import { FakeKernel } from '@tartan/netlink/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runDaemon } from '../../src/run-daemon';
import type { World } from '../../src/world';

export interface DaemonStart {
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly openDatastore?: () => Promise<Datastore>;
}

/** A whole daemon in this process, on a fake kernel, a datastore in memory and a clock of the test's. */
export class DaemonWorld {
  readonly clock = new FakeClock();
  readonly logger = new MemoryLogger();
  readonly kernel = new FakeKernel();
  readonly store = new MemoryStore({ clock: this.clock });
  readonly datastore = this.store.connect();
  readonly directory = mkdtempSync(join(tmpdir(), 'daemon-world-'));
  readonly subnetFile = join(this.directory, 'run', 'subnet.env');
  stop = new AbortController();
  running: Promise<void> = Promise.resolve();

  constructor() {
    this.kernel.addLink({ name: 'eth0', mtuBytes: 1500, addresses: ['192.168.50.1/24'] });
  }

  start({ args = [], env = {}, openDatastore }: DaemonStart = {}): Promise<void> {
    const argv = ['--iface=eth0', '--node-name=node1', `--subnet-file=${this.subnetFile}`, ...args];
    const options = parseDaemonOptions({
      argv: [...argv, `--state-dir=${join(this.directory, 'state')}`],
      env,
      readFile: () => '',
    });
    const world: World = {
      clock: this.clock,
      hostname: () => 'node1',
      machineIdPath: join(this.directory, 'machine-id'),
      openNetlink: () => this.kernel.open(),
      openDatastore: openDatastore ?? (() => Promise.resolve(this.datastore)),
      readProtocolTables: () => Promise.resolve([]),
    };
    if (this.stop.signal.aborted) this.stop = new AbortController();
    this.running = runDaemon({ options, env, logger: this.logger, signal: this.stop.signal, world });
    this.running.catch(() => undefined);
    return this.running;
  }

  get ready(): boolean {
    const lines = this.logger.lines.map(({ message }) => message);
    return lines.lastIndexOf('node is ready') > lines.lastIndexOf('node is not ready any more');
  }

  request(): void {
    this.stop.abort(new ShutdownRequested('SIGTERM'));
  }

  async end(): Promise<void> {
    this.request();
    await this.running.catch(() => undefined);
    this.kernel.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A port of 127.0.0.1 that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import { datagramNotifySender, programNotifySender } from '@tartan/core';
import { unixDatagramSender } from '@tartan/netlink';
import { useTemporaryDirectory } from './temporary-directory';

const at = useTemporaryDirectory();

/** Prints every datagram that arrives at argv[1] as one JSON text; file descriptors that come along are closed at once. */
const RECEIVER = `
import json, socket, sys
name = sys.argv[1]
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind('\\0' + name[1:] if name[0] == '@' else name)
print('listening', flush=True)
while True:
    print(json.dumps(server.recv(65536).decode()), flush=True)
`;

/** A real AF_UNIX datagram socket in the place of systemd's. */
class Receiver {
  private readonly child: ChildProcessByStdio<null, Readable, null>;
  private readonly lines: AsyncIterator<string>;
  private readonly reader: Interface;

  constructor(readonly path: string) {
    this.child = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.reader = createInterface(this.child.stdout);
    this.lines = this.reader[Symbol.asyncIterator]();
  }

  async next(): Promise<string> {
    return String((await this.lines.next()).value);
  }

  async close(): Promise<void> {
    this.reader.close();
    if (this.child.exitCode === null && this.child.kill('SIGKILL')) await once(this.child, 'exit');
  }
}

/** A loud skip: the name says what is missing. With CI set it is a failure instead. */
const needs = (tool: string): jest.It => {
  const found = (process.env['PATH'] ?? '').split(':').some((directory) => existsSync(`${directory}/${tool}`));
  return found || process.env['CI'] === 'true' ? it : it.skip;
};

describe('programNotifySender', () => {
  let receiver: Receiver | undefined;
  afterEach(async () => {
    await receiver?.close();
    receiver = undefined;
  });

  needs('systemd-notify')('delivers every line in one datagram, to a path and to an abstract name', async () => {
    for (const path of [at('notify'), `@tartan-test-${process.pid}-${Date.now()}`]) {
      receiver = new Receiver(path);
      expect(await receiver.next()).toBe('listening');
      await programNotifySender({ path }).send('READY=1\nSTATUS=all is = well');
      expect(JSON.parse(await receiver.next())).toBe('READY=1\nSTATUS=all is = well');
      await receiver.close();
    }
  });

  needs('systemd-notify')('says when nobody listens', async () => {
    const attempt = programNotifySender({ path: at('nobody') }).send('READY=1');
    await expect(attempt).rejects.toMatchObject({ code: 'NOTIFY_FAILED', data: { target: at('nobody') } });
  });

  it('ends a program that hangs', async () => {
    const program = at('hangs');
    writeFileSync(program, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
    const attempt = programNotifySender({ path: at('x'), program, timeoutMs: 50 }).send('READY=1');
    await expect(attempt).rejects.toMatchObject({ data: { reason: `${program} ended with SIGKILL` } });
  });

  it('says when the program is missing', async () => {
    const attempt = programNotifySender({ path: at('x'), program: at('no-such-program') }).send('READY=1');
    await expect(attempt).rejects.toMatchObject({
      code: 'NOTIFY_FAILED',
      data: { reason: `${at('no-such-program')}: ENOENT` },
    });
  });
});

describe('datagramNotifySender', () => {
  const native = unixDatagramSender();
  const itNative = native || process.env['CI'] === 'true' ? it : it.skip;

  itNative('delivers through the native function (needs the addon of @tartan/netlink)', async () => {
    for (const path of [at('notify'), `@tartan-test-native-${process.pid}-${Date.now()}`]) {
      const receiver = new Receiver(path);
      try {
        expect(await receiver.next()).toBe('listening');
        await datagramNotifySender(path, native!).send('READY=1\nSTATUS=grün');
        expect(JSON.parse(await receiver.next())).toBe('READY=1\nSTATUS=grün');
      } finally {
        await receiver.close();
      }
    }
    const nobody = datagramNotifySender(at('nobody'), native!).send('READY=1');
    await expect(nobody).rejects.toMatchObject({ code: 'NOTIFY_FAILED', data: { reason: 'ENOENT' } });
  });

  it('hands path and bytes to the native function', async () => {
    const calls: [string, string][] = [];
    const sender = datagramNotifySender('@x', (path, data) => calls.push([path, Buffer.from(data).toString()]));
    await sender.send('STATUS=grün');
    expect(calls).toEqual([['@x', 'STATUS=grün']]);
  });

  it('turns a system error into a typed one', async () => {
    const sender = datagramNotifySender('/x', () => {
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    });
    await expect(sender.send('READY=1')).rejects.toMatchObject({
      code: 'NOTIFY_FAILED',
      data: { reason: 'ECONNREFUSED' },
    });
  });
});

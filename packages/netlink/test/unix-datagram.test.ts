import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unixDatagramSender } from '../src';

/** Binds a real AF_UNIX datagram socket and prints what the first datagram holds and which process sent it. */
const RECEIVER = `
import socket, struct, sys
path = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 16, 1)  # SO_PASSCRED
s.bind('\\0' + path[1:] if path[0] == '@' else path)
print('bound', flush=True)
data, ancillary, _, _ = s.recvmsg(4096, 256)
pid = struct.unpack('iii', ancillary[0][2])[0]
print(data.hex(), pid, flush=True)
`;

async function receiveOne(path: string, send: () => void): Promise<{ data: string; pid: number }> {
  const child = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let text = '';
    for await (const chunk of child.stdout) {
      const before = text;
      text += String(chunk);
      if (!before.includes('bound') && text.includes('bound')) send();
    }
    const [, hex = '', pid = ''] = /bound\n(\w*) (\d+)/.exec(text) ?? [];
    return { data: Buffer.from(hex, 'hex').toString(), pid: Number(pid) };
  } finally {
    child.kill('SIGKILL');
  }
}

const send = unixDatagramSender()!;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'datagram-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each(['file', 'abstract'])('a %s address gets the datagram, from our own pid', async (kind) => {
  const path = kind === 'file' ? join(folder, 'socket') : `@tartan-test-${process.pid}`;
  expect(await receiveOne(path, () => send(path, Buffer.from('READY=1\n')))).toEqual({
    data: 'READY=1\n',
    pid: process.pid,
  });
});

test.each([
  ['nobody there', () => join(folder, 'absent'), 'ENOENT'],
  ['an abstract name that nobody holds', () => `@tartan-absent-${process.pid}`, 'ECONNREFUSED'],
  ['a path that is too long', () => `/${'x'.repeat(108)}`, 'ENAMETOOLONG'],
  ['an abstract name that is too long', () => `@${'x'.repeat(108)}`, 'ENAMETOOLONG'],
  ['an empty path', () => '', 'EINVAL'],
])('%s', (_, path, code) => {
  expect(() => send(path(), Buffer.from('x'))).toThrow(expect.objectContaining({ code }) as Error);
});

test('wrong arguments are a TypeError', () => {
  expect(() => send(1 as never, Buffer.from('x'))).toThrow(expect.objectContaining({ name: 'TypeError' }) as Error);
  expect(() => send('/x', 'text' as never)).toThrow(expect.objectContaining({ name: 'TypeError' }) as Error);
});

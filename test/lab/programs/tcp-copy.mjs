// tcp-copy.mjs receive PORT            one connection; prints "ready", then length and sha256 of what came
// tcp-copy.mjs send ADDRESS PORT BYTES BYTES of pseudo-random content; prints length and sha256 of what went
import { createCipheriv, createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';

const [role, ...rest] = process.argv.slice(2);
const CHUNK_BYTES = 256 * 1024;

function tell(length, hash) {
  console.log(JSON.stringify({ bytes: length, sha256: hash.digest('hex') }));
}

function receive(port) {
  const server = createServer((socket) => {
    const hash = createHash('sha256');
    let length = 0;
    socket.on('data', (chunk) => {
      hash.update(chunk);
      length += chunk.length;
    });
    socket.on('end', () => {
      tell(length, hash);
      server.close();
    });
    socket.on('error', (error) => {
      console.error(error.message);
      process.exit(1);
    });
  });
  server.listen(port, () => console.log('ready'));
}

async function send(address, port, bytes) {
  const socket = connect(port, address);
  socket.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  const hash = createHash('sha256');
  // The key stream of a cipher: no part of the content is like another, so that a misplaced packet shows.
  const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  for (let left = bytes; left > 0;) {
    const chunk = content.update(Buffer.alloc(Math.min(left, CHUNK_BYTES)));
    hash.update(chunk);
    left -= chunk.length;
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end(() => tell(bytes, hash));
}

if (role === 'receive') receive(Number(rest[0]));
else await send(rest[0], Number(rest[1]), Number(rest[2]));

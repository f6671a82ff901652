// A pod of the lab: one JSON object a line in, one out. It answers every TCP connection to port 7000 with the SHA-256 of what came.
import { createHash } from 'node:crypto';
import { createServer, connect } from 'node:net';
import { createInterface } from 'node:readline';

createServer({ allowHalfOpen: true }, (socket) => {
  const hash = createHash('sha256');
  socket.on('data', (chunk) => hash.update(chunk));
  socket.on('end', () => socket.end(hash.digest('hex')));
  socket.on('error', () => socket.destroy());
}).listen(7000, '::', () => process.stdout.write('{"ready":true}\n'));

/** Bytes that repeat with a prime period, so that no two segments are equal. */
function content(bytes) {
  const block = Buffer.alloc(65_537);
  for (let at = 0; at < block.length; at++) block[at] = (at * 2654435761) >>> 13;
  return Buffer.concat(Array.from({ length: Math.ceil(bytes / block.length) }, () => block)).subarray(0, bytes);
}

function send({ to, bytes }) {
  const data = content(bytes);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: to, port: 7000 }, () => socket.end(data));
    socket.setTimeout(60_000, () => socket.destroy(new Error('nothing moved for a minute')));
    socket.on('data', (chunk) => (answer += chunk));
    socket.on('error', reject);
    socket.on('end', () => resolve(answer === createHash('sha256').update(data).digest('hex')));
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { result: await send(JSON.parse(line)) };
  } catch (error) {
    answer = { error: { message: error.message } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

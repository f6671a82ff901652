// tcp-forward.mjs UNIX_SOCKET ADDRESS PORT: every connection to the unix socket becomes one to the TCP port.
import { createConnection, createServer } from 'node:net';

const [path, address, port] = process.argv.slice(2);

function join(left, right) {
  left.pipe(right);
  right.pipe(left);
  for (const [from, to] of [
    [left, right],
    [right, left],
  ]) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}

createServer((socket) => join(socket, createConnection(Number(port), address))).listen(path, () => {
  console.log('ready');
});

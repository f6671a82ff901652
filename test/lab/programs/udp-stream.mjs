// A bounded stream of numbered datagrams between two namespaces (test/lab/src/packet-stream.ts).
//
//   udp-stream.mjs receive '{"address","port","maxPackets","echo"}'
//   udp-stream.mjs send    '{"address","port","maxPackets","echo","packetsPerSecond","payloadBytes"}'
//
// Both print `ready`, and one line of JSON at the end. The sender ends after maxPackets or when its standard input is closed;
// the receiver when it reads `finish N` (N = how many were sent). A datagram starts with its number, 32 bits big endian.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

/** After the last datagram, how long late ones may take. */
const QUIET_MS = 500;
/** A sender that fell behind catches up in pieces, so that it does not overrun the receiver's socket buffer. */
const MAX_BURST = 64;
const TICK_MS = 1;

const [role, json] = process.argv.slice(2);
const options = JSON.parse(json);
const family = options.address.includes(':') ? 'udp6' : 'udp4';
const now = () => performance.now();

/** Which numbers arrived, and when there was silence. */
class Arrivals {
  seen = new Uint8Array(options.maxPackets);
  received = 0;
  duplicates = 0;
  reordered = 0;
  highest = -1;
  longestGapMs = 0;
  last = undefined;

  add(number) {
    if (number >= this.seen.length) return;
    if (this.seen[number]) {
      this.duplicates += 1;
      return;
    }
    this.seen[number] = 1;
    this.received += 1;
    if (number < this.highest) this.reordered += 1;
    else this.highest = number;
    const time = now();
    if (this.last !== undefined) this.longestGapMs = Math.max(this.longestGapMs, time - this.last);
    this.last = time;
  }

  /** Runs of numbers below `sent` that never came: [first, count]. */
  missing(sent) {
    const runs = [];
    for (let number = 0; number < sent; number += 1) {
      if (this.seen[number]) continue;
      const run = runs.at(-1);
      if (run && run[0] + run[1] === number) run[1] += 1;
      else runs.push([number, 1]);
    }
    return runs;
  }

  report(sent) {
    const { received, duplicates, reordered, longestGapMs } = this;
    return { received, duplicates, reordered, longestGapMs, missing: this.missing(sent) };
  }

  /** Resolves when all `sent` are here, or nothing has come for a while. */
  async settle(sent) {
    const since = now();
    while (this.received < sent && now() - Math.max(since, this.last ?? 0) < QUIET_MS) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Datagrams that the kernel had to drop because this program did not read fast enough: then the loss is not the network's. */
function overflows() {
  const udp = readFileSync('/proc/self/net/snmp', 'utf8').match(/^Udp: (\D.*)\nUdp: (.*)/m);
  const udp6 = readFileSync('/proc/self/net/snmp6', 'utf8').match(/^Udp6RcvbufErrors\s+(\d+)/m);
  const column = udp ? udp[1].split(' ').indexOf('RcvbufErrors') : -1;
  return Number(udp?.[2].split(' ')[column] ?? 0) + Number(udp6?.[1] ?? 0);
}

function openSocket(port, address) {
  return new Promise((resolve, reject) => {
    // The default lookup goes through the resolver for every single send.
    const lookup = (name, _options, callback) => callback(null, name, family === 'udp6' ? 6 : 4);
    const socket = createSocket({ type: family, lookup });
    socket.once('error', reject);
    socket.bind(port, address, () => {
      socket.setRecvBufferSize(4 << 20);
      resolve(socket);
    });
  });
}

const numberOf = (message) => (message.length >= 4 ? message.readUInt32BE(0) : Infinity);
const print = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);

async function receive() {
  const before = overflows();
  const arrivals = new Arrivals();
  const socket = await openSocket(options.port, options.address);
  socket.on('message', (message, peer) => {
    arrivals.add(numberOf(message));
    if (options.echo) socket.send(message, peer.port, peer.address, () => undefined);
  });
  process.stdout.write('ready\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const sent = Number(/^finish (\d+)$/.exec(line)?.[1]);
    if (Number.isNaN(sent)) continue;
    await arrivals.settle(sent);
    print({ ...arrivals.report(sent), overflows: overflows() - before });
    break;
  }
  socket.close();
}

async function send() {
  const before = overflows();
  const arrivals = new Arrivals();
  const socket = await openSocket(0, family === 'udp6' ? '::' : '0.0.0.0');
  socket.on('message', (message) => arrivals.add(numberOf(message)));
  process.stdout.write('ready\n');
  const { sent, sendErrors, elapsedMs } = await transmit(socket);
  if (options.echo) await arrivals.settle(sent);
  print({
    sent,
    sendErrors,
    elapsedMs,
    ...(options.echo && { ...arrivals.report(sent), overflows: overflows() - before }),
  });
  socket.close();
}

/** Sends what is due at each tick. A datagram that the kernel refuses (no route) counts as sent: the stream had it to offer. */
async function transmit(socket) {
  let sent = 0;
  let sendErrors = 0;
  let stopped = false;
  process.stdin.on('end', () => (stopped = true)).resume();
  const start = now();
  while (!stopped && sent < options.maxPackets) {
    const due = Math.floor(((now() - start) * options.packetsPerSecond) / 1000) + 1 - sent;
    const burst = Math.min(due, MAX_BURST, options.maxPackets - sent);
    for (let i = 0; i < burst; i += 1, sent += 1) {
      const message = Buffer.alloc(options.payloadBytes);
      message.writeUInt32BE(sent, 0);
      socket.send(message, options.port, options.address, (error) => (sendErrors += error ? 1 : 0));
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  process.stdin.destroy();
  return { sent, sendErrors, elapsedMs: now() - start };
}

await (role === 'send' ? send() : receive());

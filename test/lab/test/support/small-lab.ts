import { eventually, Lab } from '@tartan/lab';
import { staticOverlay } from './static-overlay';

/** Makes a lab in which packets flow, prints what it consists of as one line of JSON, and then waits to be killed. */
async function main(): Promise<void> {
  const lab = await Lab.create({ prefix: process.argv[2] ?? 'small-' });
  await lab.addHosts(2);
  const [a, b] = await staticOverlay(lab);
  const capture = await b!.capture({ filter: 'udp' });
  const stream = await lab.stream({ from: a!, to: b!, echo: true });
  await capture.atLeast(10);
  await eventually(() => stream.running);
  const netns = [...lab.hosts, ...lab.pods, lab.switch].map((namespace) => namespace.netns);
  console.log(JSON.stringify({ pids: lab.processes.map(({ pid }) => pid), netns, reaches: await b!.reaches(a!.ipv4) }));
  await new Promise(() => setInterval(() => undefined, 60_000));
}

void main();

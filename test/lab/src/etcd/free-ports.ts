import { createServer } from 'node:net';
import { LabError } from '../lab-error';

/** Below the range from which the kernel takes source ports (net.ipv4.ip_local_port_range), so a port stays free over a restart. */
const FIRST = 20_000;
const LAST = 32_000;

/** `count` different TCP ports on which nobody listens at `host` now. */
export async function freePorts(count: number, host: string): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries++) {
    if (tries > 1_000) throw new LabError(`no ${count} free TCP ports at ${host}`);
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (!found.has(port) && (await isFree(port, host))) found.add(port);
  }
  return [...found];
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

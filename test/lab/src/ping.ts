import type { Inside } from './inside';
import { LabError } from './lab-error';

export interface PingOptions {
  /** Echo requests; default 3. */
  readonly count?: number;
  /** Between two requests; default 50 ms. Root may go down to 2 ms. */
  readonly intervalMs?: number;
  /** How long the last one may take; default 1 s. */
  readonly timeoutMs?: number;
  /** ICMP payload; add 28 (IPv4) or 48 (IPv6) for the packet. */
  readonly payloadBytes?: number;
  /** Forbid fragmentation, here and on the way. */
  readonly dontFragment?: boolean;
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Average of those that came back. */
  readonly averageMs: number | undefined;
}

export async function ping(inside: Inside, target: string, options: PingOptions = {}): Promise<PingResult> {
  const { count = 3, intervalMs = 50, timeoutMs = 1_000, payloadBytes, dontFragment = false } = options;
  const argv = ['ping', target.includes(':') ? '-6' : '-4', '-n', '-q', '-c', String(count)];
  argv.push('-i', String(intervalMs / 1000), '-W', String(timeoutMs / 1000));
  if (payloadBytes !== undefined) argv.push('-s', String(payloadBytes));
  if (dontFragment) argv.push('-M', 'do');
  const limit = count * intervalMs + timeoutMs + 10_000;
  const { stdout, stderr } = await inside.run([...argv, target], { allowFailure: true, timeoutMs: limit });
  return parse(stdout) ?? unanswered(stderr, count);
}

function parse(text: string): PingResult | undefined {
  const counts = /(\d+) packets transmitted, (\d+) received/.exec(text);
  if (!counts) return undefined;
  const times = /= [\d.]+\/([\d.]+)\//.exec(text);
  return { sent: Number(counts[1]), received: Number(counts[2]), averageMs: times ? Number(times[1]) : undefined };
}

/** Without a route ping prints no statistics; that is an answer too. Everything else is a misuse. */
function unanswered(stderr: string, count: number): PingResult {
  if (!/unreachable|not permitted/i.test(stderr)) throw new LabError(`ping said: ${stderr.trim()}`);
  return { sent: count, received: 0, averageMs: undefined };
}

import type { Inside } from './inside';
import { LabError } from './lab-error';
import { labProgram } from './programs';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Plain HTTP/1.0 from inside a namespace. A shell of some milliseconds, so that a health page can be polled tightly. */
export async function httpGet(inside: Inside, port: number, path: string, address = '127.0.0.1'): Promise<HttpAnswer> {
  const argv = ['bash', labProgram('http-get'), address, String(port), path];
  const { stdout, stderr } = await inside.run(argv, { timeoutMs: 2_000, allowFailure: true });
  const match = /^HTTP\/1\.\d (\d{3})[^\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(stdout);
  if (!match) throw new LabError(`no answer from ${address}:${port}${path} in ${inside.name}: ${stderr.trim()}`);
  return { status: Number(match[1]), body: stdout.slice(match[0].length) };
}

import { spawn } from 'node:child_process';
import { LabError } from './lab-error';

/** Output beyond this is cut off; nothing a lab asks for is larger. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export interface CommandOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** The command is killed after this long; default 15 s. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Resolve instead of reject when the exit code is not 0. */
  readonly allowFailure?: boolean;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + signal number convention is not used: a killed command has null. */
  readonly exitCode: number | null;
}

/** Runs a command to its end. Rejects with a LabError that shows the command, its exit code and the end of its output. */
export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { timeoutMs = 15_000, allowFailure = false } = options;
  const result = await collect(argv, options, timeoutMs);
  if (result.timedOut) throw new LabError(`${show(argv)} did not end within ${timeoutMs} ms${outputOf(result)}`);
  if (result.exitCode !== 0 && !allowFailure) {
    throw new LabError(`${show(argv)} failed with exit code ${String(result.exitCode)}${outputOf(result)}`);
  }
  return result;
}

function collect(
  argv: readonly string[],
  { input, env, cwd }: CommandOptions,
  timeoutMs: number,
): Promise<CommandResult & { timedOut: boolean }> {
  return new Promise((resolve, reject) => {
    const [program = '', ...rest] = argv;
    const child = spawn(program, rest, { cwd, env: { ...process.env, ...env }, stdio: 'pipe' });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    const stdout = gather(child.stdout);
    const stderr = gather(child.stderr);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new LabError(`${show(argv)} could not be started: ${error.message}`, { cause: error }));
    });
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ stdout: stdout(), stderr: stderr(), exitCode, timedOut });
    });
    child.stdin.on('error', () => undefined); // the command may end before it has read everything
    child.stdin.end(input ?? '');
  });
}

function gather(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < MAX_OUTPUT_BYTES) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function show(argv: readonly string[]): string {
  const line = argv.join(' ');
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

function outputOf({ stdout, stderr }: CommandResult): string {
  const output = `${stderr}${stdout}`.trim();
  return output === '' ? '' : `:\n${output.slice(-2000)}`;
}

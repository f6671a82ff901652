import { spawn, type ChildProcess } from 'node:child_process';
import { TartanError } from '../../errors';
import { errnoNameOf } from '../../runtime/atomic-file';
import { abortReason, systemClock, type Clock } from '../../runtime/clock';
import type { CommandOutcome, CommandRequest, CommandRunner } from './command-runner';

export interface SystemCommandRunnerOptions {
  readonly clock?: Clock;
  /** Words before every command, such as `nsenter --net=/run/netns/blue`. */
  readonly prefix?: readonly string[];
  /** More output than this, standard output and error each, ends the program; 16 MiB unless told. */
  readonly maxOutputBytes?: number;
  /** Variables for the programs besides PATH and LC_ALL. */
  readonly env?: Readonly<Record<string, string>>;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** A service's PATH may lack the directories of administrators' programs. */
const ADMIN_PATH = '/usr/sbin:/sbin:/usr/local/sbin';

/** Runs real programs. They get no environment of ours but PATH, and answer in the C locale. */
export function createCommandRunner(options: SystemCommandRunnerOptions = {}): CommandRunner {
  return { run: (request, signal) => new Run(request, options).outcome(signal) };
}

class Run {
  private readonly argv: readonly string[];
  private readonly timeoutMs: number;

  constructor(
    private readonly request: CommandRequest,
    private readonly options: SystemCommandRunnerOptions,
  ) {
    this.argv = [...(options.prefix ?? []), request.program, ...request.args];
    this.timeoutMs = request.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /** Settles on `close`, when the program has ended and its output is complete; what went wrong before that wins. */
  outcome(signal?: AbortSignal): Promise<CommandOutcome> {
    if (signal?.aborted) return Promise.reject(abortReason(signal));
    return new Promise((resolve, reject) => {
      let problem: Error | undefined;
      const child = this.spawn();
      const end = (error: Error): void => {
        problem ??= error;
        child.kill('SIGKILL');
      };
      const onAbort = (): void => end(abortReason(signal as AbortSignal));
      const timer = (this.options.clock ?? systemClock).setTimer(this.timeoutMs, () => end(this.timeout()));
      const stdout = this.gather(child.stdout, end);
      const stderr = this.gather(child.stderr, end);
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle = (finish: () => void): void => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        finish();
      };
      child.once('error', (error) => {
        // Also raised when a signal could not be sent; only a program that never started ends without `close`.
        const reason = (problem ??= this.notStarted(error));
        if (child.pid === undefined) settle(() => reject(reason));
      });
      child.once('close', (code, killedBy) => {
        settle(() => {
          if (problem) reject(problem);
          else if (code === null) reject(this.failed(`was ended by ${killedBy ?? 'a signal'}`));
          else if (this.isMissingBehindPrefix(code)) reject(this.missing());
          else resolve({ exitCode: code, stdout: stdout(), stderr: stderr() });
        });
      });
    });
  }

  private spawn(): ChildProcess {
    const [program = '', ...args] = this.argv;
    const PATH = [process.env['PATH'], ADMIN_PATH].filter(Boolean).join(':');
    const child = spawn(program, args, { stdio: 'pipe', env: { ...this.options.env, PATH, LC_ALL: 'C' } });
    // The program may end before it has read everything.
    child.stdin.on('error', () => undefined);
    child.stdin.end(this.request.input ?? '');
    return child;
  }

  private gather(stream: NodeJS.ReadableStream | null, end: (error: Error) => void): () => string {
    const limit = this.options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
    const chunks: Buffer[] = [];
    let size = 0;
    stream?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) chunks.push(chunk);
      else end(this.failed(`wrote more than ${limit} bytes`));
    });
    return () => Buffer.concat(chunks).toString('utf8');
  }

  /** nsenter(1), env(1) and the like answer 127 when they cannot find the program. */
  private isMissingBehindPrefix(code: number): boolean {
    return code === 127 && (this.options.prefix ?? []).length > 0;
  }

  private notStarted(error: Error): Error {
    const reason = errnoNameOf(error);
    return reason === 'ENOENT' ? this.missing(error) : this.failed(`could not be started: ${reason}`, error);
  }

  private missing(cause?: Error): Error {
    return new TartanError('TRAFFIC_TOOL_MISSING', { program: this.request.program }, { cause });
  }

  private failed(reason: string, cause?: Error): Error {
    return new TartanError('TRAFFIC_TOOL_FAILED', { program: this.request.program, reason }, { cause });
  }

  private timeout(): Error {
    return new TartanError('TRAFFIC_TOOL_TIMEOUT', { program: this.request.program, timeoutMs: this.timeoutMs });
  }
}

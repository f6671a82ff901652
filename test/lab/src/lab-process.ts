import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from './eventually';
import { LabError } from './lab-error';
import type { LabScope } from './lab-scope';

export interface ProcessOptions {
  /** Unique within the lab is nicest; the log file is named after it. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `lines` keeps standard output for `waitForLine`; else it goes to the log, as standard error always does. */
  readonly stdout?: 'log' | 'lines';
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * A process of the lab, in the background. It writes to a log file of its own, so that the log survives it. It is killed when
 * the lab is destroyed, and by the kernel when the process that made the lab dies (setpriv --pdeathsig).
 */
export class LabProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<Exit>;
  /** Complete lines of standard output so far; with `stdout: 'lines'` only. */
  readonly lines: string[] = [];
  private ended: Exit | undefined;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, name: string, logFile: string) {
    this.child = child;
    this.pid = child.pid as number;
    this.name = name;
    this.logFile = logFile;
    this.exited = new Promise((resolve) => {
      // 'close', not 'exit': by then the last line has been read.
      child.once('close', (code, signal) => {
        this.ended = { code, signal };
        resolve(this.ended);
      });
    });
    child.stdin?.on('error', () => undefined); // written to after its end
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(line));
  }

  /** Resolves once the process exists, which does not say that it is ready for anything. */
  static async start(scope: LabScope, options: ProcessOptions): Promise<LabProcess> {
    const logFile = join(scope.directory, 'logs', `${scope.next()}-${options.name.replace(/[^\w.-]/g, '_')}.log`);
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    try {
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...options.argv], {
        env: { ...process.env, ...options.env },
        stdio: ['pipe', options.stdout === 'lines' ? 'pipe' : log, log],
      });
      await started(child, options);
      const labProcess = new LabProcess(child, options.name, logFile);
      scope.processes.push(labProcess);
      return labProcess;
    } finally {
      closeSync(log);
    }
  }

  /** How it ended; undefined while it runs. */
  get exit(): Exit | undefined {
    return this.ended;
  }

  get running(): boolean {
    return this.ended === undefined;
  }

  /** Does nothing when the process has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) this.child.kill(signal);
  }

  /** SIGTERM, and SIGKILL when it has not ended `timeoutMs` later (then it rejects, since that is a fault of the process). */
  async stop(options: { readonly timeoutMs?: number; readonly signal?: NodeJS.Signals } = {}): Promise<Exit> {
    const { timeoutMs = 10_000, signal = 'SIGTERM' } = options;
    this.signal(signal);
    try {
      return await eventually(() => this.ended ?? false, { timeoutMs, what: `${this.name} ends after ${signal}` });
    } catch (error) {
      await this.kill();
      throw new LabError(`${this.name} did not end within ${timeoutMs} ms after ${signal}\n${await this.tail()}`, {
        cause: error,
      });
    }
  }

  /** SIGKILL; resolves once the process is gone. */
  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  /** SIGSTOP: sockets stay open, nothing answers. */
  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  write(text: string): void {
    this.child.stdin?.write(text);
  }

  closeInput(): void {
    this.child.stdin?.end();
  }

  /** The whole log. */
  log(): Promise<string> {
    return readFile(this.logFile, 'utf8');
  }

  /** The last lines of the log under a heading, for messages. */
  async tail(count = 40): Promise<string> {
    const lines = (await this.log()).trimEnd().split('\n');
    const how = this.ended ? `ended with ${describe(this.ended)}` : `running, pid ${this.pid}`;
    return [`--- ${this.name} (${how}), last lines of ${this.logFile}:`, ...lines.slice(-count)].join('\n');
  }

  /** Resolves with the match; rejects at once when the process ends without it. */
  async waitForLog(pattern: RegExp, options: { readonly timeoutMs?: number } = {}): Promise<RegExpExecArray> {
    return this.until(async () => pattern.exec(await this.log()) ?? false, `logs ${String(pattern)}`, options);
  }

  /** The first line of standard output that matches; rejects at once when the process ends without it. */
  async waitForLine(pattern: RegExp, options: { readonly timeoutMs?: number } = {}): Promise<string> {
    const find = (): string | false => this.lines.find((line) => pattern.test(line)) ?? false;
    return this.until(find, `prints ${String(pattern)}`, options);
  }

  /** Awaits `condition`; rejects with the end of the log when the process ends first or the time is over. */
  async until<T>(
    condition: () => T | Promise<T>,
    what: string,
    options: { readonly timeoutMs?: number; readonly intervalMs?: number } = {},
  ): Promise<Exclude<T, false>> {
    try {
      return await eventually(condition, {
        what: `${this.name} ${what}`,
        intervalMs: 10,
        giveUp: () => this.ended && `it ended with ${describe(this.ended)}`,
        ...options,
      });
    } catch (error) {
      throw new LabError(`${(error as Error).message}\n${await this.tail()}`, { cause: error });
    }
  }
}

function started(child: ChildProcess, options: ProcessOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      reject(new LabError(`${options.name} could not be started: ${error.message}`, { cause: error }));
    });
  });
}

function describe({ code, signal }: Exit): string {
  return signal === null ? `exit code ${String(code)}` : `${signal} (${constants.signals[signal]})`;
}

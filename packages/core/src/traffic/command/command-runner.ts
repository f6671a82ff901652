/*
 * How programs are run: one contract, so that planning can be tested without them and a test can run them in another network
 * namespace. Nothing goes through a shell.
 */

export interface CommandRequest {
  /** A name looked up in PATH, or a path. */
  readonly program: string;
  readonly args: readonly string[];
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** The program is killed after this long, milliseconds; 10,000 unless told. */
  readonly timeoutMs?: number;
}

export interface CommandOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandRunner {
  /**
   * Runs a program to its end; an exit code other than 0 is an outcome, not an error. The program is gone when this settles.
   * Rejects with TRAFFIC_TOOL_MISSING when there is no such program, TRAFFIC_TOOL_TIMEOUT when it took too long,
   * TRAFFIC_TOOL_FAILED when it could not be started, was killed or wrote too much, and with the signal's reason once it aborts.
   */
  run(request: CommandRequest, signal?: AbortSignal): Promise<CommandOutcome>;
}

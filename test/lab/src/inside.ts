import type { CommandOptions, CommandResult } from './command';
import type { LabProcess, ProcessOptions } from './lab-process';

/** What tools need of a namespace: its name, and to run and start things in it. */
export interface Inside {
  readonly name: string;
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  start(options: ProcessOptions): Promise<LabProcess>;
}

import { TartanError } from '../errors';
import type { CommandOutcome } from './command/command-runner';

/** Programs explain themselves in the first lines; the rest repeats the input. */
const SHOWN_CHARACTERS = 300;

/** The error for a program that ended with a code other than 0. */
export function toolFailure(program: string, { exitCode, stderr }: CommandOutcome): TartanError<'TRAFFIC_TOOL_FAILED'> {
  const text = stderr.replaceAll(/\s+/g, ' ').trim().slice(0, SHOWN_CHARACTERS);
  return new TartanError('TRAFFIC_TOOL_FAILED', {
    program,
    reason: `ended with exit code ${exitCode}${text === '' ? '' : `: ${text}`}`,
  });
}

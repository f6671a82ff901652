import { defineErrors } from './define-errors';

/** One member of the network config that cannot be used. `key` is a path such as `Backend.Port`. */
export interface ConfigProblem {
  readonly key: string;
  /** As written, or a word such as `absent`; never a secret. */
  readonly value: string;
  /** What would be right, completing "expected ...". */
  readonly expected: string;
}

export const configErrors = defineErrors({
  CONFIG_INVALID: {
    message: (data: ConfigProblem & { others?: readonly ConfigProblem[] }) =>
      `network config: ${[data, ...(data.others ?? [])].map(describeProblem).join('; ')}`,
    cause:
      'Members of the network config have values that cannot be used, or do not fit each other. The message names all of them.',
    cure: 'Write correct values to the config key; a running daemon picks them up by itself. See docs/configuration.md.',
  },
  CONFIG_NOT_JSON: {
    message: (data: { problem: string; line: number; column: number }) =>
      `network config: not JSON at line ${data.line}, column ${data.column}: ${data.problem}`,
    cause: 'The text under the config key is not JSON.',
    cure: 'Correct it at the place that the message names; `jq . FILE` checks a file before it is written.',
  },
});

function describeProblem({ key, value, expected }: ConfigProblem): string {
  return `${key} is ${value}, expected ${expected}`;
}

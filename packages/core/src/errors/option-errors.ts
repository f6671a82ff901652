import { defineErrors } from './define-errors';

/** Mistakes in options, whatever way they came in. `source` says where, so that the reader knows what to edit. */
export const optionErrors = defineErrors({
  OPTION_UNKNOWN: {
    message: (data: { option: string; source?: string; nearest?: string }) =>
      `unknown option ${data.option}${inSource(data.source)}${data.nearest === undefined ? '' : `; did you mean ${data.nearest}?`}`,
    cause: 'The command line or the options file names an option that does not exist.',
    cure: 'See tartand --help or docs/options.md.',
  },
  OPTION_INVALID: {
    message: (data: { option: string; value: string; expected: string; source?: string }) =>
      `${data.option}${inSource(data.source)} is ${data.value}, expected ${data.expected}`,
    cause: 'The value of an option has the wrong form or lies outside of its range.',
    cure: 'Correct the flag, the environment variable or the member of the options file that the message names.',
  },
  OPTION_VALUE_MISSING: {
    message: (data: { option: string; expected: string; found?: string }) =>
      data.found === undefined
        ? `${data.option} needs a value: ${data.expected}`
        : `${data.option} needs a value, but the option ${data.found} follows; write ${data.option}=VALUE`,
    cause: 'An option that takes a value stands at the end of the command line, or right before another option.',
    cure: 'Write the value behind the option, or join both with "=".',
  },
  OPTION_POSITIONAL: {
    message: (data: { argument: string; hint: string }) => `unexpected argument ${data.argument}; ${data.hint}`,
    cause:
      'The command line holds a word that belongs to no option. Usually a switch was given its value as a separate word.',
    cure: 'Write --switch=false. The original stops reading at such a word and silently drops everything behind it.',
  },
  OPTION_FILE_UNREADABLE: {
    message: (data: { path: string; reason: string }) => `options file ${data.path}: ${data.reason}`,
    cause: 'The file named by --config cannot be read, is not JSON, or does not hold one object.',
    cure: 'Check path and permissions; the file is one JSON object of option names (without dashes) and values.',
  },
  OPTION_CONFIG_UNREADABLE: {
    message: (data: { path: string; reason: string }) => `network config ${data.path} cannot be read: ${data.reason}`,
    cause: 'The file that was given to tartanctl check-config does not exist or may not be read.',
    cure: 'Check path and permissions; write - to read standard input.',
  },
  OPTION_UNAVAILABLE: {
    message: (data: { option: string; reason: string; instead: string }) =>
      `${data.option} is not available: ${data.reason}; ${data.instead}`,
    cause: 'The option asks for something that this version cannot do, and going on without it would be wrong.',
    cure: 'The message names what can be used instead.',
  },
});

function inSource(source: string | undefined): string {
  return source === undefined ? '' : ` (${source})`;
}

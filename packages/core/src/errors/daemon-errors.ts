import { defineErrors } from './define-errors';

export const daemonErrors = defineErrors({
  OPTION_UNKNOWN: {
    message: (data: { option: string; nearest?: string }) =>
      `unknown option ${data.option}${data.nearest === undefined ? '' : `; did you mean ${data.nearest}?`}`,
    cause: 'The command line names an option that does not exist.',
    cure: 'See tartand --help or docs/options.md.',
  },
});

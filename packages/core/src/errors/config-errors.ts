import { defineErrors } from './define-errors';

export const configErrors = defineErrors({
  CONFIG_INVALID: {
    message: (data: { key: string; value: string; expected: string }) =>
      `network config: ${data.key} is ${data.value}, expected ${data.expected}`,
    cause: 'A member of the network config has a value that cannot be used.',
    cure: 'Write a correct value to the config key; a running daemon picks it up by itself.',
  },
});

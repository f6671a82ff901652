import { defineErrors } from './define-errors';

export const addressErrors = defineErrors({
  ADDRESS_INVALID: {
    message: (data: { text: string; expected: string }) => `"${data.text}" is not ${data.expected}`,
    cause: 'A text that should hold an IP address, a prefix or a MAC address does not parse.',
    cure: 'Correct the value; the message says which form was expected.',
  },
});

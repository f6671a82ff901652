import { defineErrors } from './define-errors';

export const ifaceErrors = defineErrors({
  IFACE_OPTION_INVALID: {
    message: (data: { option: string; value: string; expected: string }) =>
      `${data.option} is "${data.value}", expected ${data.expected}`,
    cause: 'An option that selects the external interface or a published address has a value that cannot be used.',
    cure: 'Correct the option; the message says what it takes. Regular expressions follow JavaScript, see docs/options.md.',
  },
  IFACE_NOT_FOUND: {
    message: (data: { tried: readonly string[]; interfaces: readonly string[] }) =>
      `no external interface: ${data.tried.join('; ')}. Interfaces here: ${data.interfaces.join('; ') || 'none'}`,
    cause:
      'None of the selectors (--iface, --iface-regex, --iface-can-reach, or else the default route) led to an interface that has an address in every family of the network.',
    cure: 'The message says what each selector found and what interfaces there are. Name one with --iface, add the missing address, or switch the family off in the network config.',
  },
});

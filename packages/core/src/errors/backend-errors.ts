import { defineErrors } from './define-errors';

export const backendErrors = defineErrors({
  BACKEND_UNKNOWN: {
    message: (data: { type: string; known: readonly string[] }) =>
      `unknown backend type "${data.type}"; this build knows ${data.known.join(', ')}`,
    cause: 'Backend.Type of the network config names a backend that is not linked in.',
    cure: 'Correct the type, or load the backend with --backend-module.',
  },
});

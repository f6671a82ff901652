import { defineErrors } from './define-errors';

export const daemonErrors = defineErrors({});

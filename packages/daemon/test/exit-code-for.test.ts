import { TartanError } from '@tartan/core';
import { exitCodeFor } from '../src/exit-code-for';

test.each([
  [new TartanError('BACKEND_MODULE_NOT_FOUND', { module: './none.js', cwd: '/' }), 2],
  [new TartanError('BACKEND_MODULE_INVALID', { module: './x.js', problem: 'it has no export named "backend"' }), 2],
  [new TartanError('OPTION_UNKNOWN', { option: '--x' }), 2],
  // A dependency of the module may be on a volume that is not mounted yet.
  [new TartanError('BACKEND_MODULE_FAILED', { module: './x.js', file: '/x.js', reason: 'no y' }), 1],
  [new TartanError('DATASTORE_UNAVAILABLE', { datastore: 'etcd', operation: 'list', reason: 'down' }), 1],
  [new Error('anything'), 1],
  ['a text', 1],
])('%s ends with %i', (error, code) => {
  expect(exitCodeFor(error)).toBe(code);
});

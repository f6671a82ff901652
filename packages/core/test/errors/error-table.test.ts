import { errorTable, TartanError, type ErrorCode } from '@tartan/core';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { sampleMessage } from '../../src/docs';
import type { ErrorDefinition } from '../../src/errors';

const page = readFileSync(resolve(__dirname, '../../../../docs/errors.md'), 'utf8');
const documented = [...page.matchAll(/^## (\w+)$/gm)].map(([, code]) => code);

describe('the error table', () => {
  it('has exactly the codes of docs/errors.md: adding, renaming or removing one shows in that page', () => {
    expect(Object.keys(errorTable).sort()).toEqual(documented);
  });

  it.each(Object.entries<ErrorDefinition<never>>(errorTable))('%s is explained', (code, definition) => {
    expect(code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/);
    expect(definition.cause).toMatch(/^\S.*[.)]$/s);
    expect(definition.cure).toMatch(/^\S.*[.)]$/s);
    expect(sampleMessage(definition)).toMatch(/^\S.*\S$/);
  });

  it('builds the message of an error from its data', () => {
    const error = new TartanError('CONFIG_INVALID', {
      key: 'Network',
      value: 'absent',
      expected: 'a prefix',
      others: [{ key: 'SubnetLen', value: '31', expected: '30' }],
    });
    expect(error.code satisfies ErrorCode).toBe('CONFIG_INVALID');
    expect(error.message).toBe('network config: Network is absent, expected a prefix; SubnetLen is 31, expected 30');
  });
});

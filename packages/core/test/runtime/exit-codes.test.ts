import { EXIT_CODE, exitCodeOfSignal, exitCodeTable } from '@tartan/core';

it('pins what each number means: supervisors and scripts rely on it', () => {
  expect(EXIT_CODE).toEqual({ ok: 0, failure: 1, usage: 2, leaseLost: 3 });
  expect(exitCodeOfSignal(15)).toBe(143);
});

it('documents every code', () => {
  const documented = exitCodeTable.map(({ code }) => code);
  expect(documented).toEqual([...Object.values(EXIT_CODE).map(String), '128 + n']);
});

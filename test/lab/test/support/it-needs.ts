import { missingTools } from '@tartan/lab';

/** `it`, or a loud skip when a program is missing; with CI=true the test runs and fails instead. */
export function itNeeds(...programs: string[]): jest.It {
  const missing = missingTools(programs);
  if (missing.length === 0 || process.env['CI'] === 'true') return it;
  const skip = (name: string): void => {
    console.warn(`SKIPPED for want of ${missing.join(', ')}: ${name}`);
    it.skip(name, () => undefined);
  };
  return skip as unknown as jest.It;
}

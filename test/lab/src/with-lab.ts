import { Lab, type LabOptions } from './lab';
import { LabError } from './lab-error';

/** Makes a lab, hands it to `body`, and destroys it whatever happens. When `body` fails, the lab's state is kept as a file. */
export async function withLab<T>(options: LabOptions, body: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = await Lab.create(options);
  try {
    return await explained(lab, () => body(lab));
  } finally {
    await lab.destroy();
  }
}

/** For labs shared by several tests: `it('…', onFailureDump(() => lab, async () => { … }))`. */
export function onFailureDump(lab: () => Lab, body: () => Promise<void>): () => Promise<void> {
  return () => explained(lab(), body);
}

let failures = 0;

/** Adds to an error where the state of the lab can be read; the error itself stays what it was. */
async function explained<T>(lab: Lab, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    failures += 1;
    const where = await lab.writeDump(`lab-${process.pid}-${failures}`).catch((reason: unknown) => String(reason));
    const note = `\n(state of the lab: ${where})`;
    if (!(error instanceof Error)) throw new LabError(`${String(error)}${note}`, { cause: error });
    error.message += note;
    throw error;
  }
}

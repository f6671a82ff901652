/** What the lab throws: a command that failed, a condition that never came true, a lab used wrongly. */
export class LabError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'LabError';
  }
}

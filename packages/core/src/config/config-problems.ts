import { TartanError, type ConfigProblem } from '../errors';

/** Collects everything that is wrong with a config, so that an operator can cure it in one go. */
export class ConfigProblems {
  private readonly found: ConfigProblem[] = [];

  add(key: string, value: string, expected: string): void {
    this.found.push({ key, value, expected });
  }

  get count(): number {
    return this.found.length;
  }

  /** Throws CONFIG_INVALID when there is any. */
  throwIfAny(): void {
    const [first, ...others] = this.found;
    if (first) throw new TartanError('CONFIG_INVALID', others.length === 0 ? first : { ...first, others });
  }
}

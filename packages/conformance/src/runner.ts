/** The four functions of a test runner that the suites need; jest, mocha, vitest and node:test all have them. */
export interface SuiteRunner {
  readonly describe: (name: string, body: () => void) => void;
  readonly it: (name: string, body: (() => void) | (() => Promise<void>)) => void;
  readonly beforeEach: (body: () => Promise<void> | void) => void;
  readonly afterEach: (body: () => Promise<void> | void) => void;
}

import { badPeerSuite } from './backend/bad-peers';
import { failureSuite } from './backend/failures';
import { BackendFixture } from './backend/fixture';
import { kernelSuite } from './backend/on-kernel';
import { planningSuite } from './backend/planning';
import { publishingSuite } from './backend/publishing';
import type { BackendSubject } from './backend/subject';
import type { SuiteRunner } from './runner';

export { openFakeHost } from './backend/fake-host';
export { UNDERLAY, type BackendHost, type BackendSubject } from './backend/subject';

/**
 * What every backend must do; its capabilities decide which cases apply. On a fake kernel, the default, it needs neither root nor
 * network. Third-party backends run it as ours do (README.md).
 */
export function backendSuite(runner: SuiteRunner, subject: BackendSubject): void {
  run(runner, subject, [publishingSuite, planningSuite, badPeerSuite, kernelSuite, failureSuite]);
}

/** The part of it that a real kernel can decide otherwise than the fake: for `openHost` with a network namespace. */
export function backendKernelSuite(runner: SuiteRunner, subject: BackendSubject): void {
  run(runner, subject, [publishingSuite, kernelSuite]);
}

type Part = (runner: SuiteRunner, fixture: BackendFixture) => void;

function run(runner: SuiteRunner, subject: BackendSubject, parts: readonly Part[]): void {
  const fixture = new BackendFixture(subject);
  runner.describe(`backend ${subject.module.type}`, () => {
    runner.beforeEach(() => fixture.open());
    runner.afterEach(() => fixture.close());
    for (const part of parts) part(runner, fixture);
  });
}

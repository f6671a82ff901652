import { resumeEarly } from './early-resume';
import type * as RunTartandModule from './run-tartand';

/**
 * The program `tartand`. Ends the process itself: nothing that is still open may keep it. All but the early part is loaded when that
 * has done its work; by require(), since import() would take the way through Node's ESM loader, which reads every file behind a re-export
 * once more.
 */
export function main(argv: readonly string[], env: NodeJS.ProcessEnv): void {
  const earlyResume = resumeEarly(argv, env);
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { runTartand } = require('./run-tartand') as typeof RunTartandModule;
  void runTartand({ argv, env, earlyResume }).then((code) => process.exit(code));
}

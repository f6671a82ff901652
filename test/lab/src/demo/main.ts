import { type Lab } from '../lab';
import { demoHelp, parseDemoOptions, UsageError, type DemoOptions } from './options';
import { makeInk, wantsColour } from './picture/ink';
import { printReport } from './print-report';
import { Progress } from './progress';
import { runDemo } from './run-demo';
import { playOn, shellHints } from './shell';

/*
 * npm run demo. Started by scripts/demo inside namespaces of its own: leaving this process, in whatever way, takes the whole
 * cluster with it. So a signal just leaves.
 */

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(argv: readonly string[]): Promise<number> {
  const options = parseDemoOptions(argv);
  if (options.help) {
    process.stdout.write(demoHelp());
    return 0;
  }
  leaveOnSignals();
  return demonstrate(options);
}

async function demonstrate(options: DemoOptions): Promise<number> {
  const out = options.json ? process.stderr : process.stdout;
  const ink = makeInk(wantsColour(out));
  const print = (lines: readonly string[]): void => void out.write(`${lines.join('\n')}\n`);
  let lab: Lab | undefined;
  print([`${ink.bold('Tartan')}: ${options.hosts} hosts, backend ${options.backend}`, '']);
  try {
    const { report } = await runDemo(options, new Progress(out, ink), (made) => (lab = made));
    print(printReport(report, ink, terminalColumns(out)));
    if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    if (options.keep && lab) {
      print(['', ...shellHints(lab), '']);
      await playOn(lab);
    }
    return report.ok ? 0 : EXIT_FAILED;
  } catch (error) {
    const where = await lab?.writeDump('demo');
    print(['', ink.bad(error instanceof Error ? error.message : String(error))]);
    if (where !== undefined) print([`State of the cluster and all logs: ${where}`]);
    return EXIT_FAILED;
  } finally {
    await lab?.destroy();
  }
}

/** Pipes get what fits nearly everywhere. */
function terminalColumns(out: NodeJS.WriteStream): number {
  return out.isTTY ? out.columns : 80;
}

function leaveOnSignals(): void {
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.once(signal, () => {
      process.stderr.write('\ninterrupted; the cluster is gone\n');
      process.exit(128 + number);
    });
  }
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  },
);

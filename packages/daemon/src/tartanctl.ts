import { EXIT_CODE, nearestName } from '@tartan/core';
import type { Command, Terminal } from './ctl/command';
import { checkConfigCommand } from './ctl/check-config';
import { leasesCommand } from './ctl/leases';
import { statusCommand } from './ctl/status';
import { exitCodeFor } from './exit-code-for';
import { version } from './version';

const commands: Readonly<Record<string, Command>> = {
  status: statusCommand,
  leases: leasesCommand,
  'check-config': checkConfigCommand,
};

/** The program `tartanctl`. */
export function main(argv: readonly string[], env: NodeJS.ProcessEnv): void {
  const terminal: Terminal = {
    env,
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
  };
  void runCommand(argv, terminal).then((code) => {
    process.exitCode = code;
  });
}

/** Exit status: 0 done, 1 the answer is bad news or the command failed, 2 wrong usage. Never rejects. */
export async function runCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name = 'help', ...args] = argv;
  if (['help', '--help', '-help', '-h'].includes(name)) return help(terminal);
  if (['version', '--version', '-version'].includes(name)) {
    terminal.out(version());
    return EXIT_CODE.ok;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    const nearest = nearestName(name, Object.keys(commands));
    terminal.err(`tartanctl: unknown command ${name}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`);
    return EXIT_CODE.usage;
  }
  if (args.some((word) => ['--help', '-help', '-h'].includes(word))) {
    terminal.out(`Usage: tartanctl ${command.usage}\n\n${command.summary}`);
    return EXIT_CODE.ok;
  }
  try {
    return await command.run(args, terminal);
  } catch (error) {
    terminal.err(`tartanctl: ${error instanceof Error ? error.message : String(error)}`);
    return exitCodeFor(error);
  }
}

function help(terminal: Terminal): number {
  const width = Math.max(...Object.values(commands).map(({ usage }) => usage.length));
  terminal.out('Usage: tartanctl COMMAND\n');
  for (const { usage, summary } of Object.values(commands)) terminal.out(`  ${usage.padEnd(width)}  ${summary}`);
  return EXIT_CODE.ok;
}

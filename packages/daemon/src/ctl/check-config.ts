import { readFileSync } from 'node:fs';
import { TartanError, parseNetworkConfig } from '@tartan/core';
import type { Command } from './command';

/** Says whether a network config is good before it is written. */
export const checkConfigCommand: Command = {
  usage: 'check-config FILE|-',
  summary: 'Validate a network config and show what follows from it. Exit status 1 when it is wrong.',
  run(args, terminal) {
    const [file, ...more] = args;
    if (file === undefined || more.length > 0) {
      throw new TartanError('OPTION_INVALID', {
        option: 'FILE',
        value: args.join(' '),
        expected: 'one file name, or - for standard input',
      });
    }
    const text = readFileSync(file === '-' ? 0 : file, 'utf8');
    const { config, warnings } = parseNetworkConfig(text);
    for (const { message } of warnings) terminal.err(`warning: ${message}`);
    for (const family of [config.ipv4, config.ipv6]) {
      if (!family) continue;
      terminal.out(
        `${family.network.toString()}: subnets of /${family.subnetLength}, ${family.subnetMin.toString()} to ${family.subnetMax.toString()}`,
      );
    }
    terminal.out(`backend: ${config.backendType}`);
    return Promise.resolve(0);
  },
};

import { readFileSync } from 'node:fs';
import { TartanError, checkFamilies, parseNetworkConfig } from '@tartan/core';
import { loadBackends } from '../load-backends';
import type { Command } from './command';

interface Arguments {
  readonly file: string;
  readonly strict: boolean;
  readonly assigned: boolean;
  readonly modules: readonly string[];
}

/** Says whether a network config is good before it is written: the same checks that tartand makes, those of the backend among them. */
export const checkConfigCommand: Command = {
  usage: 'check-config [--strict-config] [--kube-subnet-mgr] [--backend-module=NAME]... FILE|-',
  summary: 'Validate a network config and show what follows from it. Exit status 1 when it is wrong.',
  async run(args, terminal) {
    const { file, strict, assigned, modules } = readArguments(args);
    const backends = await loadBackends(modules);
    const { config, warnings } = parseNetworkConfig(readText(file), { strict, assigned });
    const module = backends.get(config.backendType);
    checkFamilies(module, config);
    const ofBackend = module.checkConfig?.(config) ?? [];
    for (const message of [...warnings.map((warning) => warning.message), ...ofBackend])
      terminal.err(`warning: ${message}`);
    for (const family of [config.ipv4, config.ipv6]) {
      if (!family) continue;
      const subnets = `subnets of /${family.subnetLength}, ${family.subnetMin.toString()} to ${family.subnetMax.toString()}`;
      terminal.out(`${family.network.toString()}: ${assigned ? 'subnets are the podCIDRs of the nodes' : subnets}`);
    }
    terminal.out(`backend: ${config.backendType}`);
    return 0;
  },
};

function readArguments(args: readonly string[]): Arguments {
  const files: string[] = [];
  const modules: string[] = [];
  let strict = false;
  let assigned = false;
  for (const argument of args) {
    const module = /^--?backend-module=(.+)$/.exec(argument)?.[1];
    const strictness = /^--?strict-config(?:=(true|false))?$/.exec(argument);
    if (module !== undefined) modules.push(module);
    else if (/^--?kube-subnet-mgr$/.test(argument)) assigned = true;
    else if (strictness) strict = strictness[1] !== 'false';
    else if (argument.startsWith('-') && argument !== '-')
      throw new TartanError('OPTION_UNKNOWN', { option: argument });
    else files.push(argument);
  }
  const [file, second] = files;
  if (file === undefined) {
    const expected = 'the file with the network config, or - for standard input';
    throw new TartanError('OPTION_VALUE_MISSING', { option: 'check-config', expected });
  }
  if (second !== undefined) {
    throw new TartanError('OPTION_POSITIONAL', { argument: second, hint: 'check-config takes one file' });
  }
  return { file, strict, assigned, modules };
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new TartanError(
      'OPTION_CONFIG_UNREADABLE',
      { path: file, reason: (error as Error).message },
      { cause: error },
    );
  }
}

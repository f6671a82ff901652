import { TartanError, type CommandRunner } from '@tartan/core';

/** Which iptables the host of a test has as its default. */
export type HostFlavour = 'legacy' | 'nft';

/** The programs of a host with that default: `iptables` and its companions are those of the flavour. */
export function withFlavour(runner: CommandRunner, flavour: HostFlavour): CommandRunner {
  return {
    run: (request, signal) => runner.run({ ...request, program: flavoured(request.program, flavour) }, signal),
  };
}

export function flavoured(program: string, flavour: HostFlavour): string {
  return program.replace(/^(ip6?tables)(|-restore|-save)$/, `$1-${flavour}$2`);
}

/** A host on which some programs are not installed. */
export function without(runner: CommandRunner, pattern: RegExp): CommandRunner {
  return {
    run: (request, signal) =>
      pattern.test(request.program)
        ? Promise.reject(new TartanError('TRAFFIC_TOOL_MISSING', { program: request.program }))
        : runner.run(request, signal),
  };
}

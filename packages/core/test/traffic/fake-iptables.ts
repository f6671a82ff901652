import { TartanError, type CommandOutcome, type CommandRequest, type CommandRunner } from '../../src';

/**
 * iptables-restore in memory, as far as the traffic manager uses it: built-in chains of two tables per family, rules kept as the text that they came
 * in. Other programs are missing. Failures can be ordered for the next calls.
 */
export class FakeIptables implements CommandRunner {
  readonly calls: CommandRequest[] = [];
  /** Outcome of the next calls of a -restore program, first one first; `ok` lets one through. */
  readonly next: ('busy' | 'fail' | 'hang' | 'ok')[] = [];
  installed = true;
  private tables = new Map<string, Map<string, string[]>>();
  readonly policies = new Map([['FORWARD', 'ACCEPT']]);

  run(request: CommandRequest, signal?: AbortSignal): Promise<CommandOutcome> {
    this.calls.push(request);
    const { program, args, input = '' } = request;
    if (!this.installed || !/^ip6?tables(-restore)?$/.test(program)) {
      return Promise.reject(new TartanError('TRAFFIC_TOOL_MISSING', { program }));
    }
    if (args[0] === '--version') return outcome(0, 'iptables v1.8.9 (legacy)\n');
    const order = this.next.shift() ?? 'ok';
    if (order === 'busy') return outcome(4, '', 'Another app is currently holding the xtables lock.\n');
    if (order === 'fail') return outcome(1, '', 'iptables-restore: line 1 failed\n');
    if (order === 'hang') return untilAborted(signal);
    return this.restore(program.startsWith('ip6') ? 6 : 4, input);
  }

  /** Rules of a chain, as -S would print them. */
  rules(family: 4 | 6, table: 'nat' | 'filter', chain: string): string[] | undefined {
    return this.table(family, table).get(chain);
  }

  /** Calls that changed something. */
  get writes(): CommandRequest[] {
    return this.calls.filter(({ input }) => /^(?::|-[ADIFX] )/m.test(input ?? ''));
  }

  private table(family: 4 | 6, table: string): Map<string, string[]> {
    const key = `${family} ${table}`;
    let chains = this.tables.get(key);
    if (!chains) this.tables.set(key, (chains = new Map([[table === 'nat' ? 'POSTROUTING' : 'FORWARD', []]])));
    return chains;
  }

  /** All of the input or nothing. */
  private restore(family: 4 | 6, input: string): Promise<CommandOutcome> {
    const before = structuredClone(this.tables);
    const output: string[] = [];
    let chains = new Map<string, string[]>();
    for (const [index, line] of input.split('\n').entries()) {
      if (line.startsWith('*')) chains = this.table(family, line.slice(1));
      else if (line !== '' && line !== 'COMMIT' && !this.line(chains, line, output)) {
        this.tables = before;
        return outcome(1, output.join(''), `iptables-restore: line ${index + 1} failed\n`);
      }
    }
    return outcome(0, output.join(''));
  }

  private line(chains: Map<string, string[]>, line: string, output: string[]): boolean {
    const [, command = '', name = '', rest = ''] = /^(:|-[A-Z]) ?(\S*) ?(.*)$/.exec(line) ?? [];
    const rules = chains.get(name);
    if (command === ':') return Boolean(chains.set(name, []));
    if (command === '-S') return this.list(chains, name, output);
    if (!rules) return false;
    switch (command) {
      case '-A':
        return rules.push(rest) > 0;
      case '-I': {
        const [, position = '1', spec = ''] = /^(\d+) (.*)$/.exec(rest) ?? [];
        rules.splice(Number(position) - 1, 0, spec);
        return true;
      }
      case '-D':
        return rules.includes(rest) && rules.splice(rules.indexOf(rest), 1).length === 1;
      case '-F':
        return rules.splice(0).length >= 0;
      case '-X':
        return chains.delete(name);
      default:
        return false;
    }
  }

  private list(chains: Map<string, string[]>, name: string, output: string[]): boolean {
    const names = name === '' ? [...chains.keys()] : [name];
    for (const one of names) {
      const rules = chains.get(one);
      if (!rules) return false;
      output.push(/^[A-Z]+$/.test(one) ? `-P ${one} ${this.policies.get(one) ?? 'ACCEPT'}\n` : `-N ${one}\n`);
      output.push(...rules.map((spec) => `-A ${one} ${spec}\n`));
    }
    return true;
  }
}

function outcome(exitCode: number, stdout: string, stderr = ''): Promise<CommandOutcome> {
  return Promise.resolve({ exitCode, stdout, stderr });
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Error('stopping')), { once: true });
  });
}

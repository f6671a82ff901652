import { TartanError, type CommandOutcome, type CommandRunner } from '@tartan/core';

/** nft on a host without tables: takes every script, remembers it, and never lists what it wrote. No iptables is installed. */
export class FakeNft implements CommandRunner {
  readonly scripts: string[] = [];
  /** What every script is answered with from now on; null: it is taken. */
  refusal: string | null = null;
  /** Tables that are listed: each has one chain that is not ours. */
  tables: readonly string[] = [];

  run({ program, args, input = '' }: Parameters<CommandRunner['run']>[0]): Promise<CommandOutcome> {
    if (program !== 'nft') return Promise.reject(new TartanError('TRAFFIC_TOOL_MISSING', { program }));
    return Promise.resolve(this.answer(args.join(' '), input));
  }

  private answer(words: string, input: string): CommandOutcome {
    if (words === '--json list tables') return { exitCode: 0, stdout: this.listed(), stderr: '' };
    if (words.startsWith('--check')) return { exitCode: 0, stdout: '', stderr: '' };
    if (!words.startsWith('--file')) return { exitCode: 1, stdout: '', stderr: 'No such file or directory' };
    if (this.refusal !== null) return { exitCode: 1, stdout: '', stderr: this.refusal };
    this.scripts.push(input);
    return { exitCode: 0, stdout: '', stderr: '' };
  }

  private listed(): string {
    const tables = this.tables.map((name) => ({ table: { family: name.endsWith('6') ? 'ip6' : 'ip', name } }));
    return JSON.stringify({ nftables: [{ metainfo: { version: '1.0.9' } }, ...tables] });
  }
}

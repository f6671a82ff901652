import { isTartanError } from '../../errors';
import type { IpFamily } from '../../ip';
import type { CommandRunner } from '../command/command-runner';
import { isAtLeast } from '../tool-version';

/** Which part of the kernel an iptables program talks to. Rules of one are invisible to the other, yet both take effect. */
export type XtFlavour = 'legacy' | 'nf_tables';

/** One installed iptables. */
export interface XtVariant {
  /** Behind the program's name: '' for the one that the host uses by default. */
  readonly suffix: '' | '-legacy' | '-nft';
  readonly flavour: XtFlavour;
  readonly version: string;
}

/** The host's default first, then the other flavour where it is installed too. Rejects only when aborted. */
export async function detectXtVariants(runner: CommandRunner, signal?: AbortSignal): Promise<XtVariant[]> {
  const found = await Promise.all((['', '-legacy', '-nft'] as const).map((suffix) => detect(runner, suffix, signal)));
  const variants: XtVariant[] = [];
  for (const variant of found) {
    if (variant && !variants.some(({ flavour }) => flavour === variant.flavour)) variants.push(variant);
  }
  return variants;
}

async function detect(
  runner: CommandRunner,
  suffix: XtVariant['suffix'],
  signal: AbortSignal | undefined,
): Promise<XtVariant | undefined> {
  try {
    const { exitCode, stdout } = await runner.run({ program: `iptables${suffix}`, args: ['--version'] }, signal);
    const [, version] = /v(\d+(?:\.\d+)*)/.exec(stdout) ?? [];
    if (exitCode !== 0 || version === undefined) return undefined;
    return { suffix, version, flavour: stdout.includes('nf_tables') ? 'nf_tables' : 'legacy' };
  } catch (error) {
    if (!isTartanError(error)) throw error;
    return undefined;
  }
}

export function xtProgram({ suffix }: XtVariant, family: IpFamily, part: 'restore' | 'save'): string {
  return `${family === 4 ? 'iptables' : 'ip6tables'}${suffix}-${part}`;
}

/** `--random-fully`, and `--wait` of iptables-restore, came with the same version. */
export function isModern({ version }: XtVariant): boolean {
  return isAtLeast(version, [1, 6, 2]);
}

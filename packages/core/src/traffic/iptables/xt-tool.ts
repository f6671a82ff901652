import { TartanError } from '../../errors';
import type { IpFamily } from '../../ip';
import type { CommandOutcome, CommandRunner } from '../command/command-runner';
import { toolFailure } from '../tool-failure';
import { chainRoles, type ChainRole } from '../rules/traffic-rule';
import { readXtListing, type XtPlaceState, type XtState } from './xt-listing';
import { xtPlaces } from './xt-names';
import { isModern, xtProgram, type XtVariant } from './xt-variant';

/*
 * The iptables-restore program, for looking too. Lines of its input are the arguments of iptables, `-S CHAIN` among them, so one process
 * lists just the few chains that matter out of two tables, and takes the xtables lock once. `iptables -S` is one process per table, and
 * iptables-save prints everything: with 10,000 foreign rules it took 1.5 s here where this takes 4 ms (nf_tables flavour, iptables 1.8.9).
 *
 * A chain that does not exist ends such a listing. So what exists is found out once by listing whole tables, and remembered; from then on only
 * known chains are asked for, and a jump to a chain that was not known tells that it exists now. iptables-save remains for a version that
 * would not list this way at all.
 */

/** RESOURCE_PROBLEM of include/xtables.h (iptables 1.8.9): the lock was not to be had in time. */
const EXIT_BUSY = 4;
/** How long iptables itself may wait for the lock, seconds; the process gets twice as long. */
const LOCK_WAIT_SECONDS = 5;

export class XtTool {
  private listsByRestore = true;
  /** Which of our chains exist, as of the last look; by family. */
  private readonly known = new Map<IpFamily, ReadonlySet<ChainRole>>();

  constructor(
    private readonly runner: CommandRunner,
    readonly variant: XtVariant,
  ) {}

  /** The state of the tables of `roles`. Rejects with TRAFFIC_*. */
  async read(family: IpFamily, roles: readonly ChainRole[], signal?: AbortSignal): Promise<XtState> {
    const state =
      (await this.readKnown(family, roles, signal)) ??
      (await this.list(family, roles, () => [''], signal)) ??
      (await this.readAll(family, signal));
    this.known.set(family, new Set(roles.filter((role) => state[role]?.chain)));
    return state;
  }

  private async readKnown(
    family: IpFamily,
    roles: readonly ChainRole[],
    signal: AbortSignal | undefined,
  ): Promise<XtState | undefined> {
    const known = this.known.get(family);
    if (!known) return undefined;
    const chains = (exists: (role: ChainRole) => boolean) => (role: ChainRole) =>
      exists(role) ? [xtPlaces[role].builtin, xtPlaces[role].chain] : [xtPlaces[role].builtin];
    const state = await this.list(
      family,
      roles,
      chains((role) => known.has(role)),
      signal,
    );
    const unknown = roles.filter((role) => !known.has(role) && state?.[role] && hasJump(state[role], role));
    if (!state || unknown.length === 0) return state;
    return this.list(
      family,
      roles,
      chains((role) => known.has(role) || unknown.includes(role)),
      signal,
    );
  }

  private async readAll(family: IpFamily, signal: AbortSignal | undefined): Promise<XtState> {
    const { stdout } = await this.run(xtProgram(this.variant, family, 'save'), [], '', signal);
    this.listsByRestore = false;
    return readXtListing(stdout, family);
  }

  /** Every rule of one table, as iptables-save prints it. Rejects with TRAFFIC_*. */
  async save(family: IpFamily, table: 'nat' | 'filter', signal?: AbortSignal): Promise<string> {
    const { stdout } = await this.run(xtProgram(this.variant, family, 'save'), ['-t', table], '', signal);
    return stdout;
  }

  /** One transaction per table in `input`. Rejects with TRAFFIC_*. */
  async restore(family: IpFamily, input: string, signal?: AbortSignal): Promise<void> {
    await this.run(xtProgram(this.variant, family, 'restore'), this.restoreArguments(), input, signal);
    this.learn(family, input);
  }

  /** Chains that were made or removed by what was just done. */
  private learn(family: IpFamily, input: string): void {
    const known = new Set(this.known.get(family));
    for (const role of chainRoles) {
      const { chain } = xtPlaces[role];
      if (input.includes(`:${chain} `)) known.add(role);
      if (input.includes(`-X ${chain}\n`)) known.delete(role);
    }
    this.known.set(family, known);
  }

  /** Undefined when the program did not list all that was asked for. */
  private async list(
    family: IpFamily,
    roles: readonly ChainRole[],
    chains: (role: ChainRole) => readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<XtState | undefined> {
    if (!this.listsByRestore) return undefined;
    const parts = roles.map((role) => [
      `*${xtPlaces[role].table}`,
      ...chains(role).map((chain) => `-S ${chain}`),
      'COMMIT',
    ]);
    const input = parts.flat().map((line) => `${line.trim()}\n`).join(''); // prettier-ignore
    const program = xtProgram(this.variant, family, 'restore');
    const outcome = await this.attempt(program, this.restoreArguments(), input, signal);
    if (outcome.exitCode !== 0) return undefined;
    const state = readXtListing(outcome.stdout, family);
    return roles.every((role) => state[role]) ? state : undefined;
  }

  private restoreArguments(): string[] {
    return ['--noflush', ...(isModern(this.variant) ? [`--wait=${LOCK_WAIT_SECONDS}`] : [])];
  }

  private async run(
    program: string,
    args: readonly string[],
    input: string,
    signal: AbortSignal | undefined,
  ): Promise<CommandOutcome> {
    const outcome = await this.attempt(program, args, input, signal);
    if (outcome.exitCode !== 0) throw toolFailure(program, outcome);
    return outcome;
  }

  private async attempt(
    program: string,
    args: readonly string[],
    input: string,
    signal: AbortSignal | undefined,
  ): Promise<CommandOutcome> {
    const outcome = await this.runner.run({ program, args, input, timeoutMs: 2_000 * LOCK_WAIT_SECONDS }, signal);
    if (outcome.exitCode === EXIT_BUSY) {
      throw new TartanError('TRAFFIC_TABLES_BUSY', { program, waitSeconds: LOCK_WAIT_SECONDS });
    }
    return outcome;
  }
}

function hasJump({ builtin }: XtPlaceState, role: ChainRole): boolean {
  return builtin.some(({ target }) => target === xtPlaces[role].chain);
}

/** How the daemon ends, for supervisors. docs and units refer to these; a number never changes its meaning. */
export const EXIT_CODE = {
  /** Asked to stop, and stopped cleanly. Also --help and --version. */
  ok: 0,
  /** Something that a restart may cure: the message says what. */
  failure: 1,
  /** A wrong option or environment value; a restart cannot cure it. */
  usage: 2,
  /** The lease is held by another node and --on-lease-loss=exit says to end. */
  leaseLost: 3,
} as const;

export type ExitCode = (typeof EXIT_CODE)[keyof typeof EXIT_CODE];

/** The table of docs/install-systemd.md. */
export const exitCodeTable: readonly { readonly code: string; readonly when: string; readonly restart: boolean }[] = [
  { code: '0', when: 'stopped by SIGTERM or SIGINT; --help; --version', restart: false },
  { code: '1', when: 'a failure at run time that a restart may cure', restart: true },
  { code: '2', when: 'a wrong option: unknown, malformed, or a --backend-module that is none', restart: false },
  { code: '3', when: 'another node holds the lease and --on-lease-loss=exit was given', restart: true },
  {
    code: '128 + n',
    when: 'a second signal n came during the shutdown: 130 for SIGINT, 143 for SIGTERM',
    restart: true,
  },
];

/** What shells report for a process that signal `number` ended. */
export function exitCodeOfSignal(number: number): number {
  return 128 + number;
}

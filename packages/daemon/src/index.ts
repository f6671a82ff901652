export { allMetrics } from './metrics';
export { runDaemon, type RunOptions } from './run-daemon';
export { runCommand } from './tartanctl';
export type { Command, Terminal } from './ctl/command';

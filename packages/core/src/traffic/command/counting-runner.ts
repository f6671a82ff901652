import type { TrafficMetrics } from '../metrics';
import type { CommandRunner } from './command-runner';

/** Reports every run. */
export function countingRunner(runner: CommandRunner, metrics: Pick<TrafficMetrics, 'command'>): CommandRunner {
  return {
    run: async (request, signal) => {
      let result = 'error';
      try {
        const outcome = await runner.run(request, signal);
        result = String(outcome.exitCode);
        return outcome;
      } finally {
        metrics.command(request.program, result);
      }
    },
  };
}

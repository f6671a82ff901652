import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { IpFamily } from '../ip';
import type { Finding, PassTrigger } from '../reconcile';
import { readInsertFailures } from './conntrack-stats';
import type { ChainRole } from './rules/traffic-rule';

/** What the traffic manager reports to; the registry is the caller's. */
export interface TrafficMetrics {
  pass(trigger: PassTrigger, durationSeconds: number, succeeded: boolean): void;
  /** A chain was written. `drift`: nothing had been asked to change, so somebody else had changed it. */
  written(family: IpFamily, role: ChainRole, reason: 'change' | 'drift'): void;
  /** A program was run; `result` is its exit code, or `error` when it had none. */
  command(program: string, result: string): void;
  /** Whether the rules that were stated last are in force. */
  inForce(value: boolean): void;
  /** All that stand. */
  findings(findings: readonly Finding[]): void;
}

export function createTrafficMetrics(registry: Registry, insertFailures = readInsertFailures): TrafficMetrics {
  const registers = [registry];
  new Counter({
    name: 'tartan_conntrack_insert_failures_total',
    help: 'Packets dropped because two connections were given the same translated port at the same moment, since boot; random ports prevent it',
    registers,
    collect() {
      const count = insertFailures();
      if (count === undefined) return;
      this.reset();
      this.inc(count);
    },
  });
  const passes = new Counter({
    name: 'tartan_traffic_passes_total',
    help: 'Comparisons of the masquerade and forward rules with the kernel by what started them and how they ended',
    labelNames: ['trigger', 'result'],
    registers,
  });
  const duration = new Histogram({
    name: 'tartan_traffic_pass_duration_seconds',
    help: 'How long such a comparison took, repairs included',
    buckets: [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const writes = new Counter({
    name: 'tartan_traffic_writes_total',
    help: 'Chains of masquerade and forward rules that were written: because they had to change, or because somebody else had changed them (drift)',
    labelNames: ['family', 'chain', 'reason'],
    registers,
  });
  const runs = new Counter({
    name: 'tartan_traffic_commands_total',
    help: 'Runs of nft and iptables programs by exit code',
    labelNames: ['program', 'result'],
    registers,
  });
  const inForce = new Gauge({
    name: 'tartan_traffic_rules_in_force',
    help: '1 while all masquerade and forward rules are in force',
    registers,
  });
  const findings = new Gauge({
    name: 'tartan_traffic_findings',
    help: 'Conditions around the rules that an operator should know about: kernel settings, foreign firewalls, failures',
    labelNames: ['code', 'severity'],
    registers,
  });
  return {
    pass: (trigger, durationSeconds, succeeded) => {
      passes.inc({ trigger, result: succeeded ? 'ok' : 'error' });
      duration.observe(durationSeconds);
    },
    written: (family, chain, reason) => writes.inc({ family: `ipv${family}`, chain, reason }),
    command: (program, result) => runs.inc({ program, result }),
    inForce: (value) => inForce.set(value ? 1 : 0),
    findings: (current) => {
      findings.reset();
      for (const { code, severity } of current) findings.inc({ code, severity });
    },
  };
}

/** For whoever does not care. */
export const noTrafficMetrics: TrafficMetrics = {
  pass: () => undefined,
  written: () => undefined,
  command: () => undefined,
  inForce: () => undefined,
  findings: () => undefined,
};

/** Everything the demo found out; what `--json` prints, and what tables and pictures are drawn from. */
export interface DemoReport {
  /** True only if all of it really worked. */
  readonly ok: boolean;
  /** What did not, one line each. */
  readonly problems: readonly string[];
  /** What was left out for want of a tool, one line each. */
  readonly skipped: readonly string[];
  readonly backend: string;
  /** How packets get from host to host, in words. */
  readonly way: string;
  readonly network: string;
  readonly underlay: string;
  readonly datastore: DatastoreReport;
  readonly hosts: readonly HostReport[];
  readonly leases: readonly LeaseRow[];
  readonly pings: readonly PingCell[];
  readonly throughput: ThroughputReport | null;
  readonly crash: CrashReport | null;
  readonly steps: readonly StepReport[];
  readonly seconds: number;
  /** Path of the picture. */
  readonly topologySvg: string;
}

export interface DatastoreReport {
  readonly kind: 'etcd' | 'file';
  /** Endpoint or directory. */
  readonly where: string;
  /** `etcd 3.4.23`, `lease directory`. */
  readonly title: string;
}

export interface HostReport {
  readonly name: string;
  readonly address: string;
  /** 10.42.7.0/24. */
  readonly subnet: string;
  /** Address of the bridge cni0. */
  readonly gateway: string;
  readonly mtuBytes: number;
  /** The device that encapsulates, when the backend has one. */
  readonly tunnel: { readonly ifname: string; readonly address: string } | null;
  readonly pod: { readonly name: string; readonly address: string };
  /** As `ip route show proto 158` prints them. */
  readonly routes: readonly string[];
}

/** One lease as the datastore itself holds it. */
export interface LeaseRow {
  readonly key: string;
  readonly subnet: string;
  readonly node: string;
  readonly publicIp: string;
  readonly backend: string;
  readonly secondsLeft: number | null;
}

export interface PingCell {
  /** Hosts of the two pods. */
  readonly from: string;
  readonly to: string;
  readonly sent: number;
  readonly received: number;
  readonly averageMs: number | null;
}

export interface ThroughputReport {
  readonly from: string;
  readonly to: string;
  readonly bitsPerSecond: number;
  readonly retransmits: number | null;
}

export interface CrashReport {
  /** Whose daemon was killed. */
  readonly host: string;
  readonly from: string;
  readonly to: string;
  readonly sent: number;
  readonly lost: number;
  /** The backend promises that none is. */
  readonly hitless: boolean;
  readonly packetsPerSecond: number;
  /** From the start of the new process to /readyz answering 200. */
  readonly readyAgainMs: number;
}

export interface StepReport {
  readonly what: string;
  readonly milliseconds: number;
}

import { Counter, Gauge, type Registry } from 'prom-client';

/** What the lease manager counts. Create once per registry. */
export interface LeaseMetrics {
  readonly acquireRounds: Counter<'result'>;
  readonly renewals: Counter<'result'>;
  readonly losses: Counter<'reason'>;
  readonly held: Gauge;
  readonly expiry: Gauge;
  readonly peers: Gauge;
  readonly unconfirmedPeers: Gauge;
  readonly overlaps: Gauge;
  readonly synced: Gauge;
  readonly resyncs: Counter<'reason'>;
  readonly missedChanges: Counter;
  readonly skippedEntries: Gauge;
  readonly lastContact: Gauge;
}

export function createLeaseMetrics(registry: Registry): LeaseMetrics {
  const registers = [registry];
  const counter = <Label extends string = string>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Counter<Label> => new Counter({ name, help, labelNames, registers });
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
  return {
    acquireRounds: counter('tartan_lease_acquire_rounds_total', 'Rounds on the way to a lease, by result.', ['result']),
    renewals: counter('tartan_lease_renewals_total', 'Renewals of the own lease, by result.', ['result']),
    losses: counter('tartan_lease_losses_total', 'How often the own lease was found lost, by reason.', ['reason']),
    held: gauge('tartan_lease_held', '1 while the node holds its lease, else 0.'),
    expiry: gauge(
      'tartan_lease_expiry_timestamp_seconds',
      'When the own lease runs out unless it is renewed; 0 when it never does.',
    ),
    peers: gauge('tartan_peers', 'Peers in the last snapshot.'),
    unconfirmedPeers: gauge(
      'tartan_peers_unconfirmed',
      'Peers that vanished all at once and are kept until confirmed.',
    ),
    overlaps: gauge('tartan_lease_overlaps', 'Leases left out because an older one holds their addresses.'),
    synced: gauge('tartan_watch_synced', '1 while the list of leases is known to be up to date, else 0.'),
    resyncs: counter('tartan_watch_resyncs_total', 'Full listings after the first, by reason.', ['reason']),
    missedChanges: counter(
      'tartan_watch_missed_changes_total',
      'Changes that a full listing showed and the watch had not.',
    ),
    skippedEntries: gauge('tartan_watch_skipped_entries', 'Entries below the lease prefix that do not parse.'),
    lastContact: gauge(
      'tartan_watch_last_contact_timestamp_seconds',
      'When the datastore last answered list or watch.',
    ),
  };
}

import { readFileSync } from 'node:fs';
import { type LeaseRecord, parseDaemonOptions, silentLogger, systemClock } from '@tartan/core';
import { openDatastore } from '../datastores';
import type { Command } from './command';

/** Lists who holds which subnet, straight from the datastore. */
export const leasesCommand: Command = {
  usage: 'leases [datastore options of tartand]',
  summary:
    'Who holds which subnet. Takes the datastore options and variables of tartand (--etcd-endpoints, --datastore, ...).',
  async run(args, terminal) {
    const options = parseDaemonOptions({
      argv: args,
      env: terminal.env,
      readFile: (path) => readFileSync(path, 'utf8'),
    });
    const datastore = openDatastore(options, { clock: systemClock, logger: silentLogger });
    try {
      const listing = await datastore.list(AbortSignal.timeout(options.etcdTimeout.ms * 2));
      for (const line of table([
        ['SUBNET', 'IPV6 SUBNET', 'PUBLIC IP', 'BACKEND', 'NODE'],
        ...listing.records.map(row),
      ]))
        terminal.out(line);
      for (const { key, reason } of listing.skipped) terminal.err(`not a lease: ${key}: ${reason}`);
      return listing.skipped.length > 0 ? 1 : 0;
    } finally {
      await datastore.close();
    }
  },
};

function row({ subnet, ipv6Subnet, attrs, reservation }: LeaseRecord): string[] {
  const publicIP = attrs.publicIP.isUnspecified && attrs.publicIPv6 ? attrs.publicIPv6 : attrs.publicIP;
  const node = attrs.owner?.node ?? '-';
  return [
    subnet?.toString() ?? '-',
    ipv6Subnet?.toString() ?? '-',
    publicIP.toString(),
    attrs.backendType === '' ? '-' : attrs.backendType,
    reservation ? `${node} (reserved)` : node,
  ];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? '').length)));
  return rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

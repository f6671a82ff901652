import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonOptions } from '../daemon';
import type { EtcdCluster } from '../etcd';
import type { Lab } from '../lab';
import { LabError } from '../lab-error';
import { missingTools } from '../tools';
import type { DatastoreChoice } from './options';
import type { DatastoreReport, LeaseRow } from './report';

/** Where the demo's daemons keep their leases. */
export interface DemoDatastore {
  readonly report: DatastoreReport;
  /** What daemons need to find it. */
  readonly daemonOptions: Pick<DaemonOptions, 'datastore'>;
  writeConfig(config: unknown): Promise<void>;
  /** Read past Tartan, with the datastore's own means. */
  leases(): Promise<LeaseRow[]>;
}

const ETCD_PREFIX = '/coreos.com/network';

/** `auto` takes etcd where it is installed. Rejects when etcd is asked for and missing. */
export function chooseDatastore(choice: DatastoreChoice): 'etcd' | 'file' {
  const missing = missingTools(['etcd', 'etcdctl']);
  if (choice === 'etcd' && missing.length > 0) {
    throw new LabError(`${missing.join(' and ')} not found (Debian: apt-get install etcd-server etcd-client)`);
  }
  if (choice !== 'auto') return choice;
  return missing.length === 0 ? 'etcd' : 'file';
}

export async function openDatastore(lab: Lab, kind: 'etcd' | 'file'): Promise<DemoDatastore> {
  return kind === 'etcd' ? openEtcd(lab) : openDirectory(lab);
}

interface StoredLease {
  PublicIP?: string;
  BackendType?: string;
  Tartan?: { Node?: string };
}

async function openEtcd(lab: Lab): Promise<DemoDatastore> {
  const etcd = await lab.startEtcd();
  const version = /etcdctl version: (\S+)/.exec(await etcd.etcdctl(['version']))?.[1] ?? '';
  return {
    report: { kind: 'etcd', where: etcd.endpoints.join(','), title: `etcd ${version}`.trim() },
    daemonOptions: {},
    writeConfig: (config) => etcd.put(`${ETCD_PREFIX}/config`, JSON.stringify(config)),
    leases: () => readEtcd(etcd),
  };
}

async function readEtcd(etcd: EtcdCluster): Promise<LeaseRow[]> {
  const text = await etcd.etcdctl(['get', '--prefix', `${ETCD_PREFIX}/subnets/`, '-w', 'json']);
  // 64-bit lease ids do not survive JSON.parse; the digits do.
  const exact = text.replace(/"lease":(\d+)/g, '"lease":"$1"');
  const { kvs = [] } = JSON.parse(exact) as { kvs?: { key: string; value: string; lease?: string }[] };
  const rows = kvs.map(async ({ key, value, lease }) => {
    const name = Buffer.from(key, 'base64').toString('utf8');
    const stored = JSON.parse(Buffer.from(value, 'base64').toString('utf8')) as StoredLease;
    return leaseRow(name, stored, lease === undefined ? null : await secondsLeft(etcd, lease));
  });
  return Promise.all(rows);
}

async function secondsLeft(etcd: EtcdCluster, lease: string): Promise<number> {
  const text = await etcd.etcdctl(['lease', 'timetolive', BigInt(lease).toString(16), '-w', 'json']);
  return (JSON.parse(text) as { ttl: number }).ttl;
}

function openDirectory(lab: Lab): DemoDatastore {
  const directory = join(lab.directory, 'leases');
  mkdirSync(directory);
  return {
    report: { kind: 'file', where: directory, title: 'lease directory' },
    daemonOptions: { datastore: `file:${directory}` },
    writeConfig: (config) => {
      writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
      return Promise.resolve();
    },
    leases: () => Promise.resolve(readDirectory(directory)),
  };
}

function readDirectory(directory: string): LeaseRow[] {
  const files = readdirSync(directory).filter((name) => /^\d.*\.json$/.test(name));
  return files.map((file) => {
    const entry = JSON.parse(readFileSync(join(directory, file), 'utf8')) as { expiresAt?: string; value: StoredLease };
    const left = entry.expiresAt === undefined ? null : Math.round((Date.parse(entry.expiresAt) - Date.now()) / 1000);
    return leaseRow(file, entry.value, left);
  });
}

function leaseRow(key: string, stored: StoredLease, secondsLeft: number | null): LeaseRow {
  const subnet = /(\d[\d.]*)-(\d+)(?:\.json)?$/.exec(key);
  return {
    key,
    subnet: subnet ? `${subnet[1] ?? ''}/${subnet[2] ?? ''}` : key,
    node: stored.Tartan?.Node ?? '',
    publicIp: stored.PublicIP ?? '',
    backend: stored.BackendType ?? '',
    secondsLeft,
  };
}

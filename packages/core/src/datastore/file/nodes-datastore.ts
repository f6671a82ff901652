import { isDeepStrictEqual } from 'node:util';
import { TartanError } from '../../errors';
import type { LeaseAttrs, LeaseSubnets } from '../../lease/lease';
import { goJson } from '../codec';
import type {
  ConfigRecord,
  Datastore,
  DatastoreCapabilities,
  DatastoreStatus,
  LeaseListing,
  LeaseRecord,
  WatchResponse,
} from '../datastore';
import type { FileView } from './file-view';

/** Leases from a static nodes file. A node can confirm what is written about it, and nothing else. */
export class NodesDatastore implements Datastore {
  readonly name = 'file';
  readonly capabilities: DatastoreCapabilities = {
    expiry: false,
    allocation: false,
    howToAssign: 'enter this node with its subnet into the nodes file',
  };

  constructor(
    private readonly path: string,
    private readonly view: FileView,
  ) {}

  status(): DatastoreStatus {
    return this.view.status();
  }

  getConfig(signal: AbortSignal): Promise<ConfigRecord> {
    return this.view.getConfig(signal);
  }

  watchConfig(signal: AbortSignal): AsyncIterable<ConfigRecord> {
    return this.view.watchConfig(signal);
  }

  list(signal: AbortSignal): Promise<LeaseListing> {
    return this.view.list(signal);
  }

  /** Always DATASTORE_READ_ONLY: the node is not listed. */
  create(_subnets: LeaseSubnets, attrs: LeaseAttrs): Promise<LeaseRecord> {
    return Promise.reject(this.readOnly(nodeOf(attrs), 'is not listed; add it with its subnet'));
  }

  /** Succeeds when the file says the same; else DATASTORE_READ_ONLY tells what to enter. */
  update(record: LeaseRecord, attrs: LeaseAttrs, _ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.present('update', record, signal, (found) => {
      const differences = differencesOf(found.attrs, attrs);
      if (differences.length === 0) return found;
      throw this.readOnly(nodeOf(found.attrs), `set ${differences.join(', ')}`);
    });
  }

  /** An update where the place stays; any other place is the administrator's to assign. */
  move(
    record: LeaseRecord,
    subnets: LeaseSubnets,
    attrs: LeaseAttrs,
    ttlSeconds: number,
    signal: AbortSignal,
  ): Promise<LeaseRecord> {
    const wanted = [subnets.subnet, subnets.ipv6Subnet].filter((prefix) => prefix !== null).map(String);
    const held = [record.subnet, record.ipv6Subnet].filter((prefix) => prefix !== null).map(String);
    if (isDeepStrictEqual(wanted, held)) return this.update(record, attrs, ttlSeconds, signal);
    return Promise.reject(
      this.readOnly(nodeOf(record.attrs), `has ${held.join(' and ')}, not ${wanted.join(' and ')}`),
    );
  }

  renew(record: LeaseRecord, _ttlSeconds: number, signal: AbortSignal): Promise<LeaseRecord> {
    return this.present('renew', record, signal, (found) => found);
  }

  delete(record: LeaseRecord): Promise<void> {
    return Promise.reject(this.readOnly(nodeOf(record.attrs), 'is removed by deleting it from the file'));
  }

  watch(afterRevision: bigint, signal: AbortSignal): AsyncIterable<WatchResponse> {
    return this.view.watch(afterRevision, signal);
  }

  close(): Promise<void> {
    this.view.close();
    return Promise.resolve();
  }

  /** The record as the file has it now, if that is still what the caller saw. */
  private present(
    operation: string,
    record: LeaseRecord,
    signal: AbortSignal,
    use: (found: LeaseRecord) => LeaseRecord,
  ): Promise<LeaseRecord> {
    return this.view.exclusively(operation, signal, async () => {
      await this.view.refresh();
      const found = this.view.record(record.key);
      if (found?.modRevision === record.modRevision) return use(found);
      throw new TartanError('DATASTORE_CONFLICT', { datastore: this.name, key: record.key });
    });
  }

  private readOnly(node: string, problem: string): TartanError {
    return new TartanError('DATASTORE_READ_ONLY', { path: this.path, node, problem });
  }
}

/** What the file would have to say, as JSON members of the node. */
function differencesOf(found: LeaseAttrs, wanted: LeaseAttrs): string[] {
  const members: [string, (attrs: LeaseAttrs) => unknown][] = [
    ['publicIP', ({ publicIP }) => (publicIP.isUnspecified ? null : publicIP.toString())],
    ['publicIPv6', ({ publicIPv6 }) => publicIPv6?.toString() ?? null],
    ['backendType', ({ backendType }) => backendType],
    ['backendData', ({ backendData }) => backendData ?? null],
    ['backendV6Data', ({ backendV6Data }) => backendV6Data ?? null],
  ];
  return members
    .filter(([, of]) => !isDeepStrictEqual(of(found), of(wanted)))
    .map(([name, of]) => `"${name}": ${goJson(of(wanted))}`);
}

function nodeOf(attrs: LeaseAttrs): string {
  return attrs.owner?.node ?? attrs.publicIP.toString();
}

import { readFileSync } from 'node:fs';
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { endianness } from 'node:os';
import { silentLogger, TartanError, type Ipv4Address, type Link, type Logger, type RtNetlink } from '@tartan/core';
import { loadBpfAddon, objectFilePath, type BpfAddon } from './addon';
import { parseObjectFile, type ObjectFile } from './object-file';
import { ProgramSet, type ProgramName } from './program-set';
import { filterOwner } from './filter-owner';
import { removeKernelPath } from './leftovers';
import {
  ensureReceivingDevice,
  localMac,
  receivingDeviceName,
  removeReceivingDevice,
  type ReceivingDevice,
} from './receiving-device';
import {
  countCpus,
  decodeCounters,
  encodeConfig,
  KEY_BYTES,
  secretOf,
  tableDelta,
  type KernelPathPeer,
  type KernelPathStats,
} from './tables';
import type { BpfFilter, FilterPlace } from './tc-messages';
import { TrafficControl } from './traffic-control';

/*
 * The kernel path of the udp backend: programs that encapsulate and decapsulate between TUN and uplink, towards the peers in their
 * tables; native/bpf/kernel-path.bpf.c tells how. The packet loop runs beside it for everybody and everything else.
 *
 * The kernel keeps what is attached, programs with their tables, without us: traffic goes on while the daemon is stopped, upgraded or
 * dead. Nothing is pinned in a bpffs, which a container would lose with its mounts: the filters themselves say what they are. Each
 * carries the name
 *
 *   tartan-udp:<TUN>:<program>:<first 16 digits of the source's hash>
 *
 * A daemon that finds all three with the hash that it ships adopts them with their tables; otherwise it loads its own, fills the tables
 * with the peers, and only then takes the places of the old ones, one by one, each in one step. At any moment each datagram is one
 * that both the old and the new programs of the other side understand, as the wire format is not theirs to change.
 */

/** Of our filters; the number of our routes (ARCHITECTURE.md). Filters of others on the uplink run before or after it. */
const PREFERENCE = 158;
const HASH_DIGITS = 16;
/** Added to every packet: IPv4 and UDP header. */
const OUTER_BYTES = 20 + 8;

export interface KernelPathOptions {
  readonly netlink: RtNetlink;
  readonly logger?: Logger;
  /** Path of the network namespace that `netlink` works in; that of the process unless told. */
  readonly netns?: string;
  readonly addon?: BpfAddon;
  readonly object?: ObjectFile;
  readonly randomBytes?: (length: number) => Uint8Array;
}

export interface KernelPathPlace {
  readonly tunName: string;
  /** Interface that peers are reached through. */
  readonly uplinkName: string;
  /** The address that peers send to, and our source. */
  readonly localAddress: Ipv4Address;
  /** UDP port of the tunnel. */
  readonly port: number;
}

/** Use: `start`, `makeReady` before it is announced, `setPeers` as often as peers or devices change, then `stop` (traffic goes on) or `detach` (nothing is left). */
export class KernelPath {
  private readonly netlink: RtNetlink;
  private readonly logger: Logger;
  private readonly netns: string;
  private readonly randomBytes: (length: number) => Uint8Array;
  private running: Running | undefined;

  constructor(private readonly options: KernelPathOptions) {
    this.netlink = options.netlink;
    this.logger = options.logger ?? silentLogger;
    this.netns = options.netns ?? '';
    this.randomBytes = options.randomBytes ?? systemRandomBytes;
  }

  /**
   * Adopts the programs of a former run, or loads them; afterwards it is certain that this kernel takes them, and they may be
   * announced. TUN and uplink need not exist yet. Rejects with UDP_KERNEL_PATH_UNAVAILABLE or UDP_KERNEL_PATH_REFUSED, or
   * KERNEL_REFUSED; nothing has changed then. Once.
   */
  async start(place: KernelPathPlace): Promise<void> {
    if (endianness() !== 'LE') throw unavailable('the programs are for little-endian machines');
    const addon = this.options.addon ?? loadBpfAddon();
    const object = this.options.object ?? parseObjectFile(readFileSync(objectFilePath));
    const cpus = countCpus(readFileSync('/sys/devices/system/cpu/possible', 'utf8'));
    const control = new TrafficControl(addon, this.netns);
    const attached = await this.findAttached(control, place, object);
    const load = { addon, object, cpus };
    const set = (attached && ProgramSet.adopt(load, attached)) ?? ProgramSet.load(load);
    const secret = set.adopted ? secretOf(set.read('config_map').subarray(4)) : localMac(this.randomBytes(6));
    const ids = set.adopted ? attached : undefined;
    this.running = { place, object, control, set, secret: Uint8Array.from(secret), attached: new Map(ids), hooks: [] };
    this.logger.info(set.adopted ? 'kernel path adopted from a former run' : 'kernel path loaded', {
      ifname: place.uplinkName,
      tun: place.tunName,
    });
  }

  /** True when the programs were in the kernel already, with the peers of the former run, and traffic flowed on. */
  get adopted(): boolean {
    return this.started().set.adopted;
  }

  /**
   * Looks at the uplink, and makes the receiving device with its filter, so that what could not work later is told before peers rely on
   * it. The TUN need not exist yet. Rejects with UDP_KERNEL_PATH_UNAVAILABLE or KERNEL_REFUSED; the device is gone then.
   */
  async makeReady(): Promise<void> {
    const { place } = this.started();
    const { ifindex } = await this.ensureDevice(place, await this.findUplink(place));
    try {
      this.tryFilter(ifindex);
    } catch (error) {
      await removeReceivingDevice(this.netlink, place.tunName);
      throw error;
    }
  }

  /**
   * The whole table of those that are reached through the kernel. Then everything is as it must be: devices, tables, filters, whatever
   * was deleted or changed meanwhile. Repeating it changes nothing. Rejects with UDP_KERNEL_PATH_UNAVAILABLE or KERNEL_REFUSED. Not to
   * be called again before it has settled.
   */
  async setPeers(peers: readonly KernelPathPeer[]): Promise<void> {
    const { place, set, secret } = this.started();
    const tun = await this.findLink(place.tunName);
    const uplink = await this.findUplink(place);
    const mtuBytes = innerMtuBytes(uplink);
    const { port, localAddress } = place;
    const device = await this.ensureDevice(place, uplink);
    const config = encodeConfig({
      uplinkIndex: uplink.index,
      tunIndex: tun.index,
      localAddress,
      port,
      mtuBytes,
      vxlan: device,
      secret,
    });
    set.update('config_map', Buffer.concat([Buffer.alloc(4), config]));
    this.writePeers(set, peers);
    const indices = { tun: tun.index, uplink: uplink.index, device: device.ifindex };
    if (this.attach(indices)) await this.removeStrays(indices);
    this.started().hooks = hooks(indices, place.port);
  }

  /** False when a filter is not where the last setPeers() has left it. Three requests to the kernel. */
  isIntact(): boolean {
    const { hooks: places, control, attached } = this.started();
    return places.every(({ program, filter }) => findFilter(control, filter)?.programId === attached.get(program));
  }

  stats(): KernelPathStats {
    return decodeCounters(this.started().set.read('counters_map'), 4);
  }

  /** Lets go of everything and leaves it at work. Idempotent. */
  stop(): void {
    this.running?.set.close();
    this.running = undefined;
  }

  /** Takes everything out of the kernel; packets go through the loop from now on. Idempotent. */
  async detach(): Promise<void> {
    const { running } = this;
    if (!running) return;
    const { netlink, netns } = this;
    const { addon } = this.options;
    this.stop();
    await removeKernelPath({ netlink, netns, tunName: running.place.tunName, ...(addon && { addon }) });
  }

  /** Ids of the three programs when all are attached with the hash of `object`. */
  private async findAttached(
    control: TrafficControl,
    place: KernelPathPlace,
    object: ObjectFile,
  ): Promise<ReadonlyMap<ProgramName, number> | undefined> {
    const links = await this.netlink.listLinks();
    const indexOf = (name: string): number => links.find((link) => link.name === name)?.index ?? 0;
    const indices = {
      tun: indexOf(place.tunName),
      uplink: indexOf(place.uplinkName),
      device: indexOf(receivingDeviceName(place.tunName)),
    };
    const ids = new Map<ProgramName, number>();
    for (const { program, filter } of hooks(indices, place.port)) {
      const found = findFilter(control, filter);
      if (found?.name !== filterName(place, program, object)) return undefined;
      ids.set(program, found.programId);
    }
    return ids;
  }

  private async findLink(wanted: string): Promise<Link> {
    const link = (await this.netlink.listLinks()).find(({ name }) => name === wanted);
    if (!link) throw unavailable(`there is no device ${wanted}`);
    return link;
  }

  private async findUplink({ uplinkName }: KernelPathPlace): Promise<Link> {
    const uplink = await this.findLink(uplinkName);
    if (uplink.mac?.toBytes().length !== 6 || uplink.loopback || uplink.pointToPoint) {
      throw unavailable(`${uplinkName} is no Ethernet device`);
    }
    return uplink;
  }

  private ensureDevice({ tunName, port }: KernelPathPlace, uplink: Link): Promise<ReceivingDevice> {
    const { netlink, randomBytes } = this;
    return ensureReceivingDevice({ netlink, tunName, port, mtuBytes: innerMtuBytes(uplink), randomBytes });
  }

  /** Adds before it deletes: a peer whose prefix is split or joined is never without an entry. */
  private writePeers(set: ProgramSet, peers: readonly KernelPathPeer[]): void {
    for (const family of [4, 6] as const) {
      const table = family === 4 ? 'peers4' : 'peers6';
      const wanted = peers.filter(({ prefix }) => prefix.family === family);
      const { upserts, deletes } = tableDelta(set.read(table), wanted, KEY_BYTES[family]);
      if (upserts.length > 0) set.update(table, upserts);
      if (deletes.length > 0) set.delete(table, deletes);
    }
  }

  /** Kernels may lack what filters need (modules sch_ingress and cls_bpf). One that is there, of whatever run, has shown that ours does not. */
  private tryFilter(device: number): void {
    const { place, control } = this.started();
    const hook = hooks({ tun: 0, uplink: 0, device }, place.port).find(({ filter }) => filter.ifindex === device);
    if (hook && !findFilter(control, hook.filter)) this.attachOne(hook);
  }

  /** From the far end: what a program hands on finds the next one in place. True when something was missing. */
  private attach(indices: HookIndices): boolean {
    const { place, control, object, attached } = this.started();
    let changed = false;
    for (const hook of hooks(indices, place.port)) {
      const present = findFilter(control, hook.filter);
      const name = filterName(place, hook.program, object);
      if (present?.name === name && present.programId === attached.get(hook.program)) continue;
      this.attachOne(hook);
      changed = true;
    }
    return changed;
  }

  private attachOne({ program, filter }: Hook): void {
    const { place, set, control, object, attached } = this.started();
    control.replace(filter, { descriptor: set.descriptorOf(program), name: filterName(place, program, object) });
    attached.set(program, findFilter(control, filter)?.programId ?? 0);
  }

  /** Filters of a run with another uplink or another port. */
  private async removeStrays(indices: HookIndices): Promise<void> {
    const { place, control } = this.started();
    const wanted = hooks(indices, place.port).map(({ filter }) => keyOf(filter));
    for (const { index } of await this.netlink.listLinks()) {
      const strays = control
        .list(index, 'ingress')
        .filter((filter) => filter.name.startsWith(filterOwner(place.tunName)) && !wanted.includes(keyOf(filter)));
      strays.forEach((filter) => control.remove(filter));
    }
  }

  private started(): Running {
    if (!this.running) throw unavailable('it is not started');
    return this.running;
  }
}

interface Running {
  readonly place: KernelPathPlace;
  readonly object: ObjectFile;
  readonly control: TrafficControl;
  readonly set: ProgramSet;
  readonly secret: Uint8Array;
  /** Ids of the programs that were attached last. */
  readonly attached: Map<ProgramName, number>;
  /** Where they are; none before the first setPeers(). */
  hooks: readonly Hook[];
}

interface HookIndices {
  readonly tun: number;
  readonly uplink: number;
  readonly device: number;
}

interface Hook {
  readonly program: ProgramName;
  readonly filter: FilterPlace;
}

/** The handle is the port: two daemons may share an uplink. */
function hooks({ tun, uplink, device }: HookIndices, port: number): readonly Hook[] {
  const common = { preference: PREFERENCE, handle: port };
  return [
    { program: 'tunnel_ingress', filter: { ...common, ifindex: device, direction: 'ingress' } },
    { program: 'uplink_ingress', filter: { ...common, ifindex: uplink, direction: 'ingress' } },
    { program: 'tun_egress', filter: { ...common, ifindex: tun, direction: 'egress' } },
  ];
}

function findFilter(
  control: TrafficControl,
  { ifindex, direction, preference, handle }: FilterPlace,
): BpfFilter | undefined {
  if (ifindex === 0) return undefined;
  return control
    .list(ifindex, direction)
    .find((filter) => filter.preference === preference && filter.handle === handle);
}

function keyOf({ ifindex, direction, preference, handle }: FilterPlace): string {
  return [ifindex, direction, preference, handle].join();
}

function filterName({ tunName }: KernelPathPlace, program: ProgramName, { sourceHash }: ObjectFile): string {
  return `${filterOwner(tunName)}${program}:${sourceHash.slice(0, HASH_DIGITS)}`;
}

function innerMtuBytes({ mtuBytes }: Link): number {
  return mtuBytes - OUTER_BYTES;
}

function unavailable(reason: string): TartanError {
  return new TartanError('UDP_KERNEL_PATH_UNAVAILABLE', { reason });
}

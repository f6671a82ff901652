import type { FdbEntry, InterfaceAddress, KernelEvent, Link, Neighbour, VxlanData } from '@tartan/core';
import type { ErrnoName } from '../errno';
import type { FakeFeature } from './fake-feature-ops';
import { FakeRouteTable } from './fake-route-table';
import { FakeSysctls } from './fake-sysctls';

/** What the fake kernel answers with instead of success. */
export class Refusal extends Error {
  constructor(
    readonly errno: ErrnoName,
    readonly extendedAck?: string,
  ) {
    super(extendedAck ?? errno);
  }
}

/** A link as the fake keeps it. Carrier is not kept: it follows from `plugged`, the peer and the ports. */
export interface FakeLink {
  readonly index: number;
  name: string;
  readonly kind: string | undefined;
  mtuBytes: number;
  mac: Link['mac'];
  up: boolean;
  /** False when somebody pulled the cable. */
  plugged: boolean;
  readonly loopback: boolean;
  readonly pointToPoint: boolean;
  masterIndex: number | undefined;
  lowerIndex: number | undefined;
  addrGenMode: number;
  vxlan: VxlanData | undefined;
  readonly features: ReadonlyMap<string, FakeFeature>;
}

/** The state of one fake network namespace. The operations on it live in the fake-*-ops files. */
export class FakeTables {
  readonly links = new Map<number, FakeLink>();
  readonly addresses: InterfaceAddress[] = [];
  readonly routes = new FakeRouteTable();
  /** By `<ifindex> <address>`. */
  readonly neighbours = new Map<string, Neighbour>();
  /** By `<ifindex> <mac>`; several destinations only for what tests add themselves. */
  readonly fdb = new Map<string, FdbEntry[]>();
  /** Addresses that do not answer to ARP and ND; all others do. */
  readonly silent = new Set<string>();
  readonly sysctls = new FakeSysctls();
  private lastIndex = 0;

  constructor(readonly emit: (event: KernelEvent) => void) {}

  /** Indices are never used twice in a namespace: a link that comes back has another one. */
  nextIndex(): number {
    return ++this.lastIndex;
  }

  /** Throws ENODEV. */
  link(ifindex: number): FakeLink {
    const link = this.links.get(ifindex);
    if (!link) throw new Refusal('ENODEV');
    return link;
  }

  linkNamed(name: string): FakeLink | undefined {
    for (const link of this.links.values()) if (link.name === name) return link;
    return undefined;
  }

  /** IFF_LOWER_UP. Both ends of a veth must be up, a bridge needs one port that has carrier. */
  hasCarrier(link: FakeLink): boolean {
    if (!link.up || !link.plugged) return false;
    if (link.kind === 'veth') return this.links.get(link.lowerIndex ?? 0)?.up ?? false;
    if (link.kind !== 'bridge') return true;
    for (const port of this.links.values()) {
      if (port.masterIndex === link.index && this.hasCarrier(port)) return true;
    }
    return false;
  }

  viewLink(link: FakeLink): Link {
    const { name, kind, mac, masterIndex, lowerIndex, vxlan } = link;
    return {
      index: link.index,
      name,
      ...(kind === undefined ? {} : { kind }),
      mtuBytes: link.mtuBytes,
      ...(mac === undefined ? {} : { mac }),
      up: link.up,
      carrier: this.hasCarrier(link),
      loopback: link.loopback,
      broadcast: !link.loopback && !link.pointToPoint,
      pointToPoint: link.pointToPoint,
      ...(masterIndex === undefined ? {} : { masterIndex }),
      ...(lowerIndex === undefined ? {} : { lowerIndex }),
      addrGenMode: link.addrGenMode,
      ...(vxlan === undefined ? {} : { vxlan }),
    };
  }

  emitLink(link: FakeLink, action: 'new' | 'del' = 'new', why: { readonly featuresChanged?: true } = {}): void {
    this.emit({ type: 'link', action, link: this.viewLink(link), ...why });
  }

  addressesOf(ifindex: number, family?: 4 | 6): InterfaceAddress[] {
    return this.addresses.filter(
      (entry) => entry.ifindex === ifindex && (family === undefined || entry.address.family === family),
    );
  }
}

import type { BackendModule, Json, LeaseAttrs, RtNetlink } from '@tartan/core';
import type { FakeKernel } from '@tartan/netlink/testing';

/** The backend under test, and what the suite cannot know of it. Everything else follows from its capabilities. */
export interface BackendSubject {
  readonly module: BackendModule;
  /** Members of `Backend` in the network config, besides Type. */
  readonly options?: Readonly<Record<string, Json>>;
  /**
   * A host for the backend, opened anew for each test: on a fake kernel (`openFakeHost`, the default), or a network
   * namespace of the caller's.
   */
  readonly openHost?: () => Promise<BackendHost>;
  /**
   * What peer number `n` publishes. Without it each peer's data comes from the backend's own prepare() on a fake host, so it is
   * needed only where prepare() cannot work on one.
   */
  readonly peerData?: (n: number) => Pick<LeaseAttrs, 'backendData' | 'backendV6Data'>;
  /** Milliseconds within which the kernel must be right after any change; 5,000 unless told. */
  readonly convergeWithinMs?: number;
}

/**
 * One host. Its interface UNDERLAY.ifname is up and has both addresses of UNDERLAY; nothing else has to be there, and nobody
 * needs to answer on the segment.
 */
export interface BackendHost {
  readonly netlink: RtNetlink;
  /** Given where `netlink` is one that can fail on demand; the failure cases run only then. */
  readonly kernel?: FakeKernel;
  /** Releases the host and closes `netlink`. Runs also after a failed test. */
  close(): Promise<void> | void;
}

/** The segment that every host of the suite is on: host `n` has 172.31.x.y/16 with x.y = n, and fd00:31::n/64. */
export const UNDERLAY = {
  ifname: 'eth0',
  mtuBytes: 1500,
  ipv4: '172.31.0.1/16',
  ipv6: 'fd00:31::1/64',
} as const;

/** Address families of the network config, by name. */
export type FamilyMode = 'IPv4' | 'IPv6' | 'dual stack';

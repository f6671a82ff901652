import { Ipv4Address, Ipv4Prefix } from '@tartan/core';
import type { PacketRoute } from '../../src';
import { encodeRoutes } from '../../src/native/encode-routes';
import type { NativeLoop } from '../../src/native/native-addon';
import type { SavedLoop } from '../../src/resume/saved-loop';
import type { Surroundings } from '../../src/resume/surroundings';

export const NOW = 1_700_000_000_000;
export const surroundings: Surroundings = { bootId: 'boot 1', networkNamespace: 'net:[1]' };

/** 10.5.n.0/24 behind 192.168.50.n. */
export function packetRoute(n: number): PacketRoute {
  return {
    prefix: Ipv4Prefix.parse(`10.5.${n}.0/24`),
    endpoint: { address: Ipv4Address.parse(`192.168.50.${n}`), port: 8285 },
    icmpSource: Ipv4Address.parse(`10.5.${n}.0`),
  };
}

/** What the fake host of support/nodes.ts runs with the options that are usual, and a table of two peers. */
export function savedLoop(change: Partial<SavedLoop> = {}): SavedLoop {
  return {
    writtenAt: NOW,
    startedWith: 'options',
    ...surroundings,
    ifindex: 7,
    networks: ['10.5.0.0/16'],
    options: {
      tunName: 'flannel0',
      mtuBytes: 1472,
      ipv4: 'c0a83201',
      port: 8285,
      queues: 1,
      keepaliveSeconds: 0,
      offloads: { tunTso: true, tunUso: true, udpSegment: true, udpGro: true, coalesce: true },
    },
    routes: encodeRoutes([packetRoute(2), packetRoute(3)]),
    ...change,
  };
}

/** A loop that only knows whether it was stopped. */
export function fakeNativeLoop(): NativeLoop & { stopped: boolean } {
  return {
    stopped: false,
    start: () => undefined,
    setRoutes: () => undefined,
    stats: () => [],
    features: () => [],
    stop() {
      this.stopped = true;
      return Promise.resolve();
    },
  };
}

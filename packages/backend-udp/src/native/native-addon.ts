import { prebuildTarget, TartanError } from '@tartan/core';
import { addonPlaces } from './addon-places';
import { requireFirst } from './require-first';

/** What native/src/addon.cc exports; documented there. */
export interface NativeLoopConfig {
  readonly tunName: string;
  readonly mtuBytes: number;
  /** 4 bytes; absent: no IPv4 socket. */
  readonly ipv4: Uint8Array | undefined;
  /** 16 bytes; absent: no IPv6 socket. */
  readonly ipv6: Uint8Array | undefined;
  readonly port: number;
  readonly queues: number;
  readonly keepaliveSeconds: number;
  /** Index of a TUN that a former process left, which alone will do: it must be up and unused. Absent: any, made if needed. */
  readonly leftIfindex?: number;
  /** One byte for each of featureNames; 0: never tried. */
  readonly wanted: Uint8Array;
}

export interface NativeFailure {
  readonly errno: number;
  readonly call: string;
}

export interface NativeFeature {
  readonly name: string;
  readonly on: boolean;
  readonly reason: string;
  /** 0 where the reason has none. */
  readonly errno: number;
}

export interface NativeLoop {
  start(): NativeFailure | undefined;
  setRoutes(bytes: Uint8Array): void;
  /** countNames, then dropNames. */
  stats(): bigint[];
  features(): NativeFeature[];
  stop(): Promise<void>;
}

export interface NativeAddon {
  readonly Loop: new (config: NativeLoopConfig) => NativeLoop;
  readonly featureNames: readonly string[];
  readonly countNames: readonly string[];
  readonly dropNames: readonly string[];
}

let loaded: NativeAddon | undefined;

/** Loads the addon when it is asked for first, so that other backends never need it. Throws PACKET_LOOP_ADDON_MISSING. */
export function loadNativeAddon(): NativeAddon {
  loaded ??= load(addonPlaces());
  return loaded;
}

/** The first of `candidates` that exists and loads. Throws PACKET_LOOP_ADDON_MISSING. */
export function load(candidates: readonly string[]): NativeAddon {
  return requireFirst(candidates, (cause) => {
    const problem = cause?.message ?? 'neither built nor shipped';
    return new TartanError('PACKET_LOOP_ADDON_MISSING', { platform: prebuildTarget(), problem }, { cause });
  }) as NativeAddon;
}

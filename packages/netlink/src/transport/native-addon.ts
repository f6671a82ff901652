import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { nativeAddonPlaces } from '@tartan/core';

/** The classes and functions of native/src; documented there. */
export interface NativeSocket {
  readonly port: number;
  readonly receiveBufferBytes: number;
  /** OPTION bits that the kernel took. */
  readonly options: number;
  addMembership(group: number): void;
  send(bytes: Uint8Array, length: number): void;
  ref(): void;
  unref(): void;
  close(): void;
}

/** What a device's driver and the kernel say of its features; bits and words as in native/src/features.h. */
export interface NativeFeatures {
  readonly names: readonly string[];
  readonly blocks: Uint32Array;
}

export interface NativeAddon {
  readonly Socket: new (
    netns: string,
    receiveBufferBytes: number,
    buffer: Uint8Array,
    onReceive: (length: number, code: number) => void,
    protocol?: number,
  ) => NativeSocket;
  readSysctl(netns: string, file: string): string;
  writeSysctl(netns: string, file: string, value: string): void;
  readFeatures(netns: string, ifindex: number): NativeFeatures;
  writeFeatures(netns: string, ifindex: number, blocks: Uint32Array): void;
  sendUnixDatagram(path: string, data: Uint8Array): void;
}

/** native/src/socket.h. */
export const CODE = { overrun: 1, truncated: 2 } as const;
export const OPTION = { extendedAck: 1, capAck: 2, strictCheck: 4 } as const;

const FILE = 'tartan_netlink.node';
/** From src/transport as well as from dist/transport. */
const packageRoot = join(__dirname, '..', '..');

let loaded: NativeAddon | undefined;

/** The addon, or undefined when it is neither built nor shipped for this machine, or does not load. */
export function loadNativeAddon(): NativeAddon | undefined {
  if (loaded) return loaded;
  for (const place of nativeAddonPlaces(packageRoot, FILE).filter((candidate) => existsSync(candidate))) {
    try {
      // eslint-disable-next-line @typescript-eslint/no-require-imports
      loaded = require(place) as NativeAddon;
      return loaded;
    } catch {
      // Built for another machine or C library: the next place, or the fallback, is as good.
    }
  }
  return undefined;
}

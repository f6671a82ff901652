import type { NativeLoopConfig } from './native-addon';
import type { PlainLoopOptions } from './plain-options';

/** What native/src/addon.cc takes; `featureNames` are the addon's. */
export function nativeLoopConfig(
  { tunName, mtuBytes, ipv4, ipv6, port, queues, keepaliveSeconds, offloads }: PlainLoopOptions,
  featureNames: readonly string[],
): NativeLoopConfig {
  return {
    ...{ tunName, mtuBytes, port, queues, keepaliveSeconds },
    ipv4: bytes(ipv4),
    ipv6: bytes(ipv6),
    wanted: Uint8Array.from(featureNames, (name) => Number(offloads[name as keyof typeof offloads] ?? true)),
  };
}

function bytes(hex: string | undefined): Uint8Array | undefined {
  return hex === undefined ? undefined : new Uint8Array(Buffer.from(hex, 'hex'));
}

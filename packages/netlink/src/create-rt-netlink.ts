import { silentLogger, systemClock, type Clock, type Logger, type Random, type RtNetlink } from '@tartan/core';
import { kernelSocket } from './errno';
import { nativeFeatureIoctl, type FeatureIoctl } from './feature-ioctl';
import { KernelNetlink } from './kernel-netlink';
import type { FeatureInterface } from './link-features';
import { Sysctls } from './sysctl';
import { chooseTransport, type TransportChoice } from './transport/choose-transport';

export interface RtNetlinkOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /**
   * Network namespace to work in, by path (`/run/netns/blue`, `/proc/4711/ns/net`) or by the number of a process in it. The
   * process itself does not move. Needs the native transport and, as setns(2) does, CAP_SYS_ADMIN. Without it: the namespace
   * of the process.
   */
  readonly netns?: string | number;
  /** `auto`, the default, takes the native addon and falls back to the npm netlink library. */
  readonly transport?: TransportChoice;
  /**
   * How features of devices are read and set: `auto`, the default, is ethtool's netlink interface, and its ioctl on kernels without (before
   * 5.8). The ioctl needs the native addon.
   */
  readonly featureInterface?: FeatureInterface;
  /**
   * Receive buffer per socket in bytes, 4 MiB unless told; the kernel doubles it for its bookkeeping. Without CAP_NET_ADMIN in
   * the initial user namespace it is capped by net.core.rmem_max.
   */
  readonly receiveBufferBytes?: number;
  /** How long the kernel may stay silent within one call, milliseconds; 10,000 unless told. */
  readonly timeoutMs?: number;
  /** `/proc/sys` but in tests. */
  readonly sysctlRoot?: string;
}

/**
 * The kernel's network state. Opens no socket before the first call. Throws KERNEL_SOCKET when no transport can be loaded, or
 * none that can do what is asked for.
 */
export function createRtNetlink(options: RtNetlinkOptions = {}): RtNetlink {
  const { logger = silentLogger, clock = systemClock, random = Math.random, timeoutMs = 10_000 } = options;
  const netns = namespacePath(options.netns);
  const transport = chooseTransport({
    choice: options.transport ?? 'auto',
    netns,
    receiveBufferBytes: options.receiveBufferBytes ?? 4 * 1024 * 1024,
    logger,
  });
  const sysctls = new Sysctls({ root: options.sysctlRoot ?? '/proc/sys', netns });
  const features = featureAccess(options, netns);
  return new KernelNetlink({ transport, sysctls, ...features, clock, random, logger, timeoutMs });
}

function featureAccess(
  { featureInterface = 'auto', transport }: RtNetlinkOptions,
  netns: string,
): { readonly featureInterface: FeatureInterface; readonly featureIoctl: FeatureIoctl | undefined } {
  const featureIoctl = transport === 'library' ? undefined : nativeFeatureIoctl(netns);
  if (featureInterface === 'ioctl' && !featureIoctl) {
    throw kernelSocket('load the native addon (npm run build:native)', 'ENOENT');
  }
  return { featureInterface, featureIoctl };
}

/** The path of what `netns` names; '' for the namespace of the process. */
export function namespacePath(netns: string | number | undefined): string {
  if (netns === undefined) return '';
  return /^\d+$/.test(String(netns)) ? `/proc/${netns}/ns/net` : String(netns);
}

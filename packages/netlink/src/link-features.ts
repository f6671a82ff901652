import { isTartanError, type KernelOpResult, type LinkFeature } from '@tartan/core';
import { describeOp } from './describe-op';
import { kernelSocket } from './errno';
import type { Ethtool, FeaturesOp } from './ethtool';
import type { IoctlFeatures } from './feature-ioctl';

/** `auto` is netlink, and the ioctl where the kernel has no netlink interface for features (before 5.8). */
export type FeatureInterface = 'auto' | 'ioctl';

export interface LinkFeaturesOptions {
  readonly choice: FeatureInterface;
  readonly ethtool: Ethtool;
  /** Absent where there is no native addon. */
  readonly ioctl: IoctlFeatures | undefined;
}

/** Features of devices, by the interface that the kernel has. */
export class LinkFeatures {
  private closed = false;

  constructor(private readonly options: LinkFeaturesOptions) {}

  /** Rejects with KERNEL_REFUSED (ENODEV; EOPNOTSUPP where there is no interface) and KERNEL_SOCKET. */
  async list(ifindex: number): Promise<ReadonlyMap<string, LinkFeature>> {
    const { choice, ethtool, ioctl } = this.options;
    this.throwIfClosed(`list features of dev ${ifindex}`);
    if (choice === 'ioctl' && ioctl) return ioctl.list(ifindex);
    try {
      return await ethtool.listFeatures(ifindex);
    } catch (error) {
      if (!ioctl || !isUnsupported(error)) throw error;
      return ioctl.list(ifindex);
    }
  }

  /** Rejects only when closed. */
  async apply(op: FeaturesOp): Promise<KernelOpResult> {
    const { choice, ethtool, ioctl } = this.options;
    this.throwIfClosed(describeOp(op));
    if (choice === 'ioctl' && ioctl) return ioctl.apply(op);
    const result = await ethtool.apply(op);
    if (result.ok || !ioctl || !isUnsupported(result.error) || !(await this.lacksNetlink(op.ifindex))) return result;
    return ioctl.apply(op);
  }

  close(): void {
    this.closed = true;
  }

  /** To a change the kernel says EOPNOTSUPP for an unknown or fixed feature as well; to a question only where the interface is missing. */
  private async lacksNetlink(ifindex: number): Promise<boolean> {
    try {
      await this.options.ethtool.listFeatures(ifindex);
      return false;
    } catch (error) {
      return isUnsupported(error);
    }
  }

  private throwIfClosed(operation: string): void {
    if (this.closed) throw kernelSocket(operation, 'EBADF');
  }
}

function isUnsupported(error: unknown): boolean {
  return isTartanError(error, 'KERNEL_REFUSED') && error.data.errnoName === 'EOPNOTSUPP';
}

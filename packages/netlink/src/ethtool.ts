import { isTartanError, type KernelOp, type KernelOpResult, type LinkFeature } from '@tartan/core';
import { decodeAck, type Ack } from './codec/ack';
import { NLMSG } from './codec/constants';
import {
  decodeFeatures,
  decodeUnmetFeatures,
  encodeFeaturesGet,
  encodeFeaturesSet,
  ETHTOOL,
} from './codec/ethtool-codec';
import { decodeFamily, encodeFamilyLookup } from './codec/generic-codec';
import type { MessageCursor } from './codec/message-reader';
import type { MessageWriter } from './codec/message-writer';
import type { Connection } from './connection';
import { describeOp } from './describe-op';
import { errnoNumber, kernelRefused } from './errno';

export type FeaturesOp = KernelOp & { readonly op: 'link-features' };

interface Request {
  /** For error messages. */
  readonly operation: string;
  readonly encode: (writer: MessageWriter, sequence: number) => void;
  /** Sees what comes before the acknowledgement. */
  readonly take: (message: MessageCursor) => void;
}

/** Features of devices over a NETLINK_GENERIC connection. */
export class Ethtool {
  /** Message type of the family; fixed from when the kernel registers it, which for ethtool is at boot. */
  private family: number | undefined;

  constructor(private readonly connection: Connection) {}

  /** Rejects with KERNEL_REFUSED (ENODEV, EOPNOTSUPP) and KERNEL_SOCKET. */
  listFeatures(ifindex: number): Promise<ReadonlyMap<string, LinkFeature>> {
    const operation = `list features of dev ${ifindex}`;
    return this.connection.exclusive(operation, () => this.read(operation, ifindex));
  }

  /** Rejects only when the connection is closed. */
  apply(op: FeaturesOp): Promise<KernelOpResult> {
    return this.connection.exclusive(describeOp(op), () => this.attempt(op));
  }

  private async attempt(op: FeaturesOp): Promise<KernelOpResult> {
    try {
      await this.write(op);
      return { ok: true };
    } catch (error) {
      if (!isTartanError(error, 'KERNEL_REFUSED', 'KERNEL_SOCKET') || error.data.errnoName === 'ECANCELED') throw error;
      return { ok: false, error };
    }
  }

  private async read(operation: string, ifindex: number): Promise<ReadonlyMap<string, LinkFeature>> {
    const type = await this.familyType(operation);
    let features: ReadonlyMap<string, LinkFeature> = new Map();
    await this.ask({
      operation,
      encode: (writer, sequence) => encodeFeaturesGet(writer, { type, sequence, ifindex }),
      take: ({ view, start, end }) => (features = decodeFeatures(view, start, end) ?? features),
    });
    return features;
  }

  private async write(op: FeaturesOp): Promise<void> {
    const operation = describeOp(op);
    const { ifindex, features } = op;
    const type = await this.familyType(operation);
    let unmet: readonly string[] = [];
    await this.ask({
      operation,
      encode: (writer, sequence) => encodeFeaturesSet(writer, { type, sequence, ifindex }, features),
      take: ({ view, start, end }) => (unmet = decodeUnmetFeatures(view, start, end) ?? unmet),
    });
    if (unmet.length > 0) await this.refuseFixed(operation, ifindex, unmet);
  }

  /** Of what is not as asked for, some may wait for another feature: those are set as far as they can be. */
  private async refuseFixed(operation: string, ifindex: number, unmet: readonly string[]): Promise<void> {
    const features = await this.read(operation, ifindex);
    const fixed = unmet.filter((name) => features.get(name)?.changeable !== true);
    if (fixed.length === 0) return;
    throw kernelRefused(operation, errnoNumber('EOPNOTSUPP'), `fixed on this device: ${fixed.join(', ')}`);
  }

  private async familyType(operation: string): Promise<number> {
    this.family ??= await this.lookUpFamily(operation);
    return this.family;
  }

  private async lookUpFamily(operation: string): Promise<number> {
    const found: number[] = [];
    const ack = await this.exchange({
      operation,
      encode: (writer, sequence) => encodeFamilyLookup(writer, ETHTOOL.name, sequence),
      take: ({ view, start, end }) => found.push(decodeFamily(view, start, end) ?? 0),
    });
    if (ack.errno !== 0 && ack.errno !== errnoNumber('ENOENT')) throw refused(operation, ack);
    const [type = 0] = found;
    if (type !== 0) return type;
    throw kernelRefused(operation, errnoNumber('EOPNOTSUPP'), 'the kernel has no ethtool netlink interface');
  }

  private async ask(request: Request): Promise<void> {
    const ack = await this.exchange(request);
    if (ack.errno !== 0) throw refused(request.operation, ack);
  }

  private async exchange({ operation, encode, take }: Request): Promise<Ack> {
    const first = this.connection.start();
    encode(this.connection.writer, this.connection.nextSequence());
    let ack: Ack = { errno: 0 };
    await this.connection.exchange(operation, first, (message) => {
      if (message.type === NLMSG.error) ack = decodeAck(message);
      else take(message);
      return message.type === NLMSG.error;
    });
    return ack;
  }
}

function refused(operation: string, { errno, extendedAck, offset }: Ack): ReturnType<typeof kernelRefused> {
  return kernelRefused(operation, errno, extendedAck, offset);
}

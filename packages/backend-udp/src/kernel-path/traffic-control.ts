import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { TartanError } from '@tartan/core';
import type { BpfAddon } from './addon';
import {
  addClsact,
  deleteClsact,
  deleteFilter,
  listFilters,
  parseAnswer,
  replaceFilter,
  type BpfFilter,
  type Direction,
  type FilterPlace,
  type KernelAnswer,
} from './tc-messages';

const { EEXIST, ENOENT, EINVAL, ENODEV } = constants.errno;

/** Filters on devices of one network namespace. All throw KERNEL_REFUSED. */
export class TrafficControl {
  constructor(
    private readonly addon: Pick<BpfAddon, 'routeRequest'>,
    private readonly netns: string,
  ) {}

  list(ifindex: number, direction: Direction): readonly BpfFilter[] {
    return this.dump(ifindex, direction).filters;
  }

  replace(place: FilterPlace, program: { readonly descriptor: number; readonly name: string }): void {
    this.ask(`add clsact to device ${place.ifindex}`, addClsact(place.ifindex), [EEXIST]);
    this.ask(`attach ${program.name}`, replaceFilter(place, program));
  }

  /** What is gone already is no error. A clsact without any filter is taken away as well. */
  remove(place: FilterPlace): void {
    const gone = [ENOENT, EINVAL, ENODEV];
    this.ask(`detach from device ${place.ifindex}`, deleteFilter(place), gone);
    const others = (['ingress', 'egress'] as const).map((direction) => this.dump(place.ifindex, direction).filterCount);
    if (others.every((count) => count === 0)) {
      this.ask(`remove clsact from device ${place.ifindex}`, deleteClsact(place.ifindex), gone);
    }
  }

  private dump(ifindex: number, direction: Direction): KernelAnswer {
    const answer = this.addon.routeRequest(this.netns, listFilters(ifindex, direction));
    return parseAnswer(answer, direction);
  }

  private ask(operation: string, request: Buffer, accepted: readonly number[] = []): void {
    const { errno, text } = parseAnswer(this.addon.routeRequest(this.netns, request));
    if (errno === 0 || accepted.includes(errno)) return;
    const errnoName = getSystemErrorName(-errno);
    throw new TartanError('KERNEL_REFUSED', {
      operation,
      errno,
      errnoName,
      ...(text !== undefined && { extendedAck: text }),
    });
  }
}

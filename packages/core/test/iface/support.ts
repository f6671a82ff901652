import type { InterfaceAddress, Route, RtNetlink } from '@tartan/core';
import type { FakeKernel } from '@tartan/netlink/testing';

type AddressFlags = Partial<Omit<InterfaceAddress, 'address' | 'ifindex'>>;

/** What the fake kernel cannot be told: flags of addresses (by text), and routes with more than one next hop. */
export interface Overlay {
  readonly flags?: Readonly<Record<string, AddressFlags>>;
  readonly routes?: readonly Partial<Route>[];
}

/** The fake kernel seen through an overlay. Only what interface selection calls is there. */
export function overlaid(kernel: FakeKernel, { flags = {}, routes }: Overlay): RtNetlink {
  return new Proxy<RtNetlink>(kernel, {
    get: (target, name: keyof RtNetlink) => {
      if (name === 'listAddresses') {
        return async () =>
          (await target.listAddresses()).map((entry) => ({ ...entry, ...flags[entry.address.toString()] }));
      }
      if (name === 'listRoutes' && routes) {
        return async ({ family }: { family?: number } = {}) => routes.filter(({ dst }) => dst?.family === family);
      }
      const member = target[name] as unknown;
      return typeof member === 'function' ? (member as () => unknown).bind(target) : member;
    },
  });
}

import { FakeKernel } from '@tartan/netlink/testing';
import { OWN_NODE, underlayIpv4, underlayIpv6 } from './nodes';
import { UNDERLAY, type BackendHost } from './subject';

/** A host on a fake kernel of its own, which is `kernel` as well; node 1 of the suite's cluster unless told. */
export function openFakeHost(n: number = OWN_NODE): Promise<BackendHost & { readonly kernel: FakeKernel }> {
  const kernel = new FakeKernel();
  const addresses = [`${underlayIpv4(n).toString()}/16`, `${underlayIpv6(n).toString()}/64`];
  kernel.addLink({ name: UNDERLAY.ifname, mtuBytes: UNDERLAY.mtuBytes, addresses });
  return Promise.resolve({ netlink: kernel, kernel, close: () => kernel.close() });
}

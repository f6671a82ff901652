import { backendSuite, UNDERLAY, type BackendHost } from '@tartan/conformance';
import { backend } from '../src';
import { openNamespace } from './support/open-namespace';

const runner = { describe, it, beforeEach, afterEach };

async function openHost(): Promise<BackendHost> {
  const { netlink, close } = await openNamespace(`
    link add ${UNDERLAY.ifname} type veth peer name segment
    link set segment up
    link set ${UNDERLAY.ifname} up
    address add ${UNDERLAY.ipv4} dev ${UNDERLAY.ifname}
    address add ${UNDERLAY.ipv6} dev ${UNDERLAY.ifname} nodad
  `);
  return { netlink, close };
}

backendSuite(runner, { module: backend, openHost });

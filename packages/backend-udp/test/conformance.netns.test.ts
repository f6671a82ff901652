import { backendKernelSuite, UNDERLAY, type BackendHost } from '@tartan/conformance';
import { backend } from '../src';
import { openOwnHost } from './support/own-host';

const runner = { describe, it, beforeEach, afterEach };

function openHost(): Promise<BackendHost> {
  const { netlink, close } = openOwnHost(`
    link add ${UNDERLAY.ifname} type veth peer name segment
    link set segment up
    link set ${UNDERLAY.ifname} up
    address add ${UNDERLAY.ipv4} dev ${UNDERLAY.ifname}
    address add ${UNDERLAY.ipv6} dev ${UNDERLAY.ifname} nodad
  `);
  return Promise.resolve({ netlink, close });
}

backendKernelSuite(runner, { module: backend, openHost, peerData: () => ({}) });

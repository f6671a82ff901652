import { backend as hostgw } from '@tartan/backend-hostgw';
import { backendKernelSuite, UNDERLAY, type BackendHost } from '@tartan/conformance';
import { createRtNetlink } from '@tartan/netlink';
import { createNamespace } from '../../netlink/test/support/namespaces';
import { memoryBackend } from './memory-backend';

const runner = { describe, it, beforeEach, afterEach };

/** A network namespace whose eth0 is one end of a veth pair; the other end, up and silent, is the segment. */
async function openHost(): Promise<BackendHost> {
  const namespace = await createNamespace();
  const ip = (text: string): string => namespace.run('ip', ...text.split(' '));
  ip('link set lo up');
  ip(`link add ${UNDERLAY.ifname} type veth peer name segment`);
  ip('link set segment up');
  ip(`link set ${UNDERLAY.ifname} up`);
  ip(`address add ${UNDERLAY.ipv4} dev ${UNDERLAY.ifname}`);
  ip(`address add ${UNDERLAY.ipv6} dev ${UNDERLAY.ifname} nodad`);
  const netlink = createRtNetlink({ netns: namespace.pid });
  return {
    netlink,
    close: async () => {
      netlink.close();
      await namespace.close();
    },
  };
}

backendKernelSuite(runner, { module: hostgw, openHost });
backendKernelSuite(runner, { module: memoryBackend, openHost });

import { type Host, type Lab, type Pod } from '@tartan/lab';

/** Host n has the pod subnets 10.42.n.0/24 and fc00:42:0:n::/64, and routes to those of the others: what a daemon would do. */
export async function staticOverlay(lab: Lab, options: { readonly ipv6?: boolean } = {}): Promise<Pod[]> {
  const { ipv6 = false } = options;
  for (const [i, host] of lab.hosts.entries()) {
    await addRoutes(lab, host, ipv6);
    const subnet = {
      ipv4: `10.42.${i + 1}.1/24`,
      ipv6: ipv6 ? `fc00:42:0:${i + 1}::1/64` : undefined,
      mtuBytes: 1400,
    };
    await host.addPod({ subnet });
  }
  return [...lab.pods];
}

async function addRoutes(lab: Lab, host: Host, ipv6: boolean): Promise<void> {
  for (const [i, peer] of lab.hosts.entries()) {
    if (peer === host) continue;
    await host.ip(`route add 10.42.${i + 1}.0/24 via ${peer.ipv4}`);
    if (ipv6) await host.ip(`-6 route add fc00:42:0:${i + 1}::/64 via ${peer.ipv6}`);
  }
}

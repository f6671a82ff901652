const globals: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '0',
  'net/bridge/bridge-nf-call-iptables': '0',
};
const perDevice: Readonly<Record<string, string>> = {
  'net/ipv4/conf/*/forwarding': '0',
  'net/ipv4/conf/*/rp_filter': '0',
  'net/ipv4/conf/*/send_redirects': '1',
  'net/ipv4/conf/*/accept_local': '0',
  'net/ipv4/conf/*/ignore_routes_with_linkdown': '0',
  'net/ipv6/conf/*/forwarding': '0',
  'net/ipv6/conf/*/accept_ra': '1',
  'net/ipv6/conf/*/accept_dad': '1',
  'net/ipv6/conf/*/disable_ipv6': '0',
};

/** /proc/sys of a fake namespace: a few well-known values, and a set of them for every link as long as it exists. */
export class FakeSysctls {
  readonly values = new Map<string, string>(Object.entries(globals));

  constructor() {
    this.addDevice('all');
    this.addDevice('default');
  }

  addDevice(name: string): void {
    for (const [path, value] of Object.entries(perDevice)) this.values.set(path.replace('*', name), value);
  }

  removeDevice(name: string): void {
    for (const path of Object.keys(perDevice)) this.values.delete(path.replace('*', name));
  }
}

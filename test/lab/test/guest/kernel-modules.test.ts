import { loadOrder } from '../../src/guest/kernel-modules';

const lists = {
  dependencies: [
    'kernel/net/9p/9pnet.ko:',
    'kernel/net/ipv4/udp_tunnel.ko:',
    'kernel/net/ipv6/ip6_udp_tunnel.ko: kernel/net/ipv4/udp_tunnel.ko',
    'kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv6/ip6_udp_tunnel.ko kernel/net/ipv4/udp_tunnel.ko',
    'kernel/drivers/net/wireguard/wire-guard.ko: kernel/net/ipv4/udp_tunnel.ko',
    '',
  ].join('\n'),
  builtin: 'kernel/drivers/virtio/virtio_ring.ko\n',
};

describe('loadOrder', () => {
  it('puts what a module needs before it, once', () => {
    expect(loadOrder(lists, ['wire_guard', 'vxlan', '9pnet'])).toEqual([
      'kernel/net/ipv4/udp_tunnel.ko',
      'kernel/drivers/net/wireguard/wire-guard.ko',
      'kernel/net/ipv6/ip6_udp_tunnel.ko',
      'kernel/drivers/net/vxlan/vxlan.ko.xz',
      'kernel/net/9p/9pnet.ko',
    ]);
  });

  it('needs no file for what is built in, and takes - for _', () => {
    expect(loadOrder(lists, ['virtio-ring', 'wire-guard'])).toEqual([
      'kernel/net/ipv4/udp_tunnel.ko',
      'kernel/drivers/net/wireguard/wire-guard.ko',
    ]);
  });

  it('names a module that the kernel does not have', () => {
    expect(() => loadOrder(lists, ['vxlan', 'ipx'])).toThrow("the guest's kernel has no module ipx");
  });
});

import { defineErrors } from './define-errors';

export const packetLoopErrors = defineErrors({
  PACKET_LOOP_ADDON_MISSING: {
    message: (data: { platform: string; problem: string }) =>
      `udp: the native packet loop for ${data.platform} does not load: ${data.problem}`,
    cause: 'The udp backend moves packets in a native addon, which is neither built nor shipped for this machine.',
    cure: 'Build it: node scripts/build-native.mjs in the package @tartan/backend-udp (needs g++, make and python3), or use another backend.',
  },
  PACKET_LOOP_NO_TUN: {
    message: (data: { errno: number; errnoName: string }) => `udp: /dev/net/tun cannot be opened: ${data.errnoName}`,
    cause: 'The kernel has no TUN driver loaded, or the container was not given the device.',
    cure: 'Load it: modprobe tun. In a container pass /dev/net/tun in (docker run --device /dev/net/tun).',
  },
  PACKET_LOOP_NOT_PERMITTED: {
    message: (data: { operation: string; errno: number; errnoName: string }) =>
      `udp: ${data.operation} is not permitted: ${data.errnoName}`,
    cause: 'Making a TUN device needs CAP_NET_ADMIN; a port below 1024 needs CAP_NET_BIND_SERVICE.',
    cure: 'Run as root, or give the process these capabilities.',
  },
  PACKET_LOOP_TUN_TAKEN: {
    message: (data: { tunName: string; errno: number; errnoName: string }) =>
      `udp: the device ${data.tunName} exists and is no TUN that can be adopted: ${data.errnoName}`,
    cause:
      'Something else made a device with this name: of another kind, or a TUN with one queue, such as flanneld’s while it runs.',
    cure: 'Stop the program that it belongs to. If nothing needs the device any more: ip link del NAME.',
  },
  PACKET_LOOP_PORT_IN_USE: {
    message: (data: { addresses: readonly string[]; port: number; errno: number; errnoName: string }) =>
      `udp: port ${data.port} of ${data.addresses.join(' or ')} is in use`,
    cause: 'Another program listens on the UDP port, often a flanneld or a second daemon on the same host.',
    cure: 'See who: ss -ulpn. Stop it, or choose another Backend.Port on all nodes.',
  },
  PACKET_LOOP_CANNOT_LISTEN: {
    message: (data: { addresses: readonly string[]; port: number; errno: number; errnoName: string }) =>
      `udp: cannot listen on port ${data.port} of ${data.addresses.join(' and ')}: ${data.errnoName}`,
    cause: 'The address is not, or not yet, one of this host (EADDRNOTAVAIL), or IPv6 is switched off.',
    cure: 'See ip address. The address comes from --iface, or from the interface of the default route.',
  },
  PACKET_LOOP_FAILED: {
    message: (data: { operation: string; errno: number; errnoName: string }) =>
      `udp: ${data.operation} failed: ${data.errnoName}`,
    cause: 'The kernel refused something that the packet loop needs to start.',
    cure: 'The text names the call and the kernel’s answer. EMFILE and ENFILE: raise the limit on open files; ENOMEM: memory is short.',
  },
  PACKET_LOOP_USED: {
    message: (data: { tunName: string }) => `the packet loop of ${data.tunName} was started or stopped before`,
    cause: 'A mistake in a program: a packet loop starts once.',
    cure: 'Make a new loop.',
  },
});

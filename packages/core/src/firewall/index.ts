export { createUdpInputCheck, type FirewallAccess, type UdpInputCheck } from './udp-input-check';
export type { UdpPacket } from './udp-packet';

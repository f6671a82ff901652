export * from './packet-loop';
export { backend } from './udp';
export * from './native';
export * from './kernel-path';

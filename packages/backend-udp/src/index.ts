export * from './packet-loop';
export { backend } from './udp';
export * from './native';

export { liesInNetworks } from './allocate';
export * from './create-lease-manager';
export * from './lease';
export * from './lease-manager';
export * from './metrics';

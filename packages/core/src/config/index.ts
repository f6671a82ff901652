export * from './network-config';

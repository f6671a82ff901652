export * from './nearest-name';
export * from './network-config';
export * from './options';

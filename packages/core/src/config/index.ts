export * from './backend-options';
export * from './diff-network-config';
export * from './json-text';
export * from './nearest-name';
export * from './network-config';
export * from './options';
export * from './parse-network-config';

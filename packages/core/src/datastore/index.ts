export * from './datastore';
export * from './codec';
export * from './file';
export * from './shared/reachability';

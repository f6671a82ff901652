export * from './datastore';
export * from './codec';

export * from './datastore';
export * from './codec';
export * from './file';

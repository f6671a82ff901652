export * from './backend-nodes';
export * from './fake-clock';
export * from './memory-datastore';
export * from './memory-logger';
export * from './memory-store';

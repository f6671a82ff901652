export * from './lease';
export * from './lease-manager';

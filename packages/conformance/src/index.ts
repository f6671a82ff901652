export * from './backend';
export * from './datastore';
export * from './rt-netlink';
export * from './runner';
export * from './traffic';

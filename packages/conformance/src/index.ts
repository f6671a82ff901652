export * from './rt-netlink';
export * from './runner';

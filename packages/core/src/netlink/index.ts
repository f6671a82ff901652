export * from './rt-netlink';

export * from './etcd-cluster';
export * from './free-ports';
export * from './test-authority';
export * from './tcp-gate';

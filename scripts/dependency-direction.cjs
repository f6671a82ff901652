/** Workspace package → its folder. */
const workspaceFolders = {
  '@tartan/core': 'packages/core',
  '@tartan/netlink': 'packages/netlink',
  '@tartan/backend-hostgw': 'packages/backend-hostgw',
  '@tartan/backend-vxlan': 'packages/backend-vxlan',
  '@tartan/backend-udp': 'packages/backend-udp',
  '@tartan/datastore-kube': 'packages/datastore-kube',
  '@tartan/cni': 'packages/cni',
  '@tartan/conformance': 'packages/conformance',
  '@tartan/daemon': 'packages/daemon',
  '@tartan/lab': 'test/lab',
};

/** Workspace package → the workspace packages that its sources may import. The arrows may not turn. */
const allowedImports = {
  '@tartan/core': [],
  '@tartan/netlink': ['@tartan/core'],
  '@tartan/backend-hostgw': ['@tartan/core'],
  '@tartan/backend-vxlan': ['@tartan/core'],
  '@tartan/backend-udp': ['@tartan/core'],
  '@tartan/datastore-kube': ['@tartan/core'],
  '@tartan/cni': ['@tartan/core'],
  '@tartan/conformance': ['@tartan/core', '@tartan/netlink'],
  '@tartan/daemon': [
    '@tartan/core',
    '@tartan/netlink',
    '@tartan/backend-hostgw',
    '@tartan/backend-vxlan',
    '@tartan/backend-udp',
    '@tartan/datastore-kube',
    '@tartan/cni',
  ],
  '@tartan/lab': ['@tartan/core'],
};

module.exports = { workspaceFolders, allowedImports };

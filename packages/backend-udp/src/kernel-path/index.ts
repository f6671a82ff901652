export { receivingDeviceName } from './receiving-device';
export { kernelPathAnnouncement, kernelPathPeers, type OwnSide } from './announcement';
export { KernelPath, type KernelPathOptions, type KernelPathPlace } from './kernel-path';
export { kernelPathLeftovers, removeKernelPath, type RemoveKernelPathOptions } from './leftovers';
export type { KernelPathPeer, KernelPathStats } from './tables';

export { receivingDeviceName } from './receiving-device';
export { kernelPathAnnouncement, kernelPathPeers, type OwnSide } from './announcement';
export {
  KernelPath,
  removeKernelPath,
  type KernelPathOptions,
  type KernelPathPlace,
  type RemoveKernelPathOptions,
} from './kernel-path';
export type { KernelPathPeer, KernelPathStats } from './tables';

export { createRtNetlink, type RtNetlinkOptions } from './create-rt-netlink';
export type { FeatureInterface } from './link-features';
export { createNftGeneration, type NftGenerationOptions } from './nft-generation';
export type { TransportChoice } from './transport/choose-transport';
export { unixDatagramSender, type UnixDatagramSender } from './unix-datagram';

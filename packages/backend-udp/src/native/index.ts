export { loadNativeAddon } from './native-addon';
export { NativePacketLoop } from './native-packet-loop';

import type { Logger } from '@tartan/core';
import { kernelSocket } from '../errno';
import { libraryTransport } from './library-transport';
import { loadNativeAddon } from './native-addon';
import { nativeTransport } from './native-transport';
import type { Transport } from './transport';

export type TransportChoice = 'native' | 'library' | 'auto';

export interface TransportOptions {
  readonly choice: TransportChoice;
  /** Path of a network namespace; '' for the process's own. Needs the native addon. */
  readonly netns: string;
  readonly receiveBufferBytes: number;
  readonly logger: Logger;
}

let fallbackTold = false;

/** `auto` is the addon where there is one, else the library, told once per process. Throws KERNEL_SOCKET. */
export function chooseTransport(options: TransportOptions): Transport {
  const { choice, netns, receiveBufferBytes, logger } = options;
  const addon = choice === 'library' ? undefined : loadNativeAddon();
  if (addon) return nativeTransport({ addon, netns, receiveBufferBytes });
  if (choice === 'native') throw kernelSocket('load the native addon (npm run build:native)', 'ENOENT');
  if (netns !== '') throw kernelSocket('open another network namespace without the native addon', 'EOPNOTSUPP');
  const library = libraryTransport(receiveBufferBytes);
  if (!library) throw kernelSocket('load the native addon or the npm netlink library', 'ENOENT');
  if (choice === 'auto' && !fallbackTold) {
    fallbackTold = true;
    logger.warn(
      'native netlink addon is not built, using the npm netlink library: kernel errors come without their text',
    );
  }
  return library;
}

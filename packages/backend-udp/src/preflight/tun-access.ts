import { TartanError } from '@tartan/core';
import { open } from 'node:fs/promises';

/** Documentation/networking/tuntap.rst (v6.1). */
const TUN_PATH = '/dev/net/tun';

/** Resolves when TUN devices can be opened from here; rejects with PACKET_LOOP_NO_TUN. */
export async function checkTunAccess(path = TUN_PATH): Promise<void> {
  try {
    const handle = await open(path, 'r+');
    await handle.close();
  } catch (error) {
    const { code = 'EIO', errno = 0 } = error as NodeJS.ErrnoException;
    throw new TartanError('PACKET_LOOP_NO_TUN', { errno: -errno, errnoName: code }, { cause: error });
  }
}

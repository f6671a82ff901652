import { TartanError } from '@tartan/core';
import { open } from 'node:fs/promises';

/** Documentation/networking/tuntap.rst (v6.1). */
const TUN_PATH = '/dev/net/tun';

/** Resolves when TUN devices can be opened from here; rejects with BACKEND_TUN_UNAVAILABLE. */
export async function checkTunAccess(path = TUN_PATH): Promise<void> {
  try {
    const handle = await open(path, 'r+');
    await handle.close();
  } catch (error) {
    const errnoName = (error as NodeJS.ErrnoException).code ?? 'an unknown error';
    throw new TartanError('BACKEND_TUN_UNAVAILABLE', { path, errnoName }, { cause: error });
  }
}

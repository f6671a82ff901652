import { TartanError, type IpAddress } from '@tartan/core';
import { createSocket } from 'node:dgram';

/**
 * Resolves unless somebody else holds the port; rejects with PACKET_LOOP_PORT_IN_USE. Whatever else is wrong with the address, the
 * packet loop will say.
 */
export async function checkPortFree(local: IpAddress, port: number): Promise<void> {
  const socket = createSocket(local.family === 4 ? 'udp4' : 'udp6');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: local.toString(), port, exclusive: true }, resolve);
    });
  } catch (error) {
    const { code: errnoName, errno = 0 } = error as NodeJS.ErrnoException;
    if (errnoName !== 'EADDRINUSE') return;
    const data = { addresses: [local.toString()], port, errno: -errno, errnoName };
    throw new TartanError('PACKET_LOOP_PORT_IN_USE', data, { cause: error });
  } finally {
    socket.close();
  }
}

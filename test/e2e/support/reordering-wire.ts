import { join } from 'node:path';
import type { Host } from '@tartan/lab';

const PROGRAM = join(__dirname, 'reordering-wire.py');
const [INNER, OUTER] = ['wire0', 'wire1'] as const;

/**
 * While `body` runs, datagrams of the tunnel from and to `host` overtake each other, on their way through a program: see
 * reordering-wire.py. Frames get there whole only when no sender leaves segmentation or checksums to its card, so `senders`, all hosts
 * that send to it, must not. Gives how many datagrams were overtaken.
 */
export async function whileReordering(
  host: Host,
  senders: readonly Host[],
  body: () => Promise<void>,
  port = 8285,
): Promise<number> {
  const { switch: segment, port: cable } = host.uplink;
  const offloads = async (state: 'on' | 'off'): Promise<void> => {
    for (const one of [host, ...senders]) await offload(one, 'eth0', state);
    await offload(segment, segment.bridge, state);
  };
  await offloads('off');
  await segment.ipBatch([
    `link add ${INNER} type veth peer name ${OUTER}`,
    `link set ${INNER} up`,
    `link set ${OUTER} master ${segment.bridge} up`,
  ]);
  const argv = ['python3', PROGRAM, cable, INNER, String(port)];
  const program = await segment.start({ name: 'reordering-wire', argv, stdout: 'lines' });
  try {
    await program.waitForLine(/^ready$/);
    await segment.isolate(cable);
    await body();
  } finally {
    await segment.rejoin(cable);
    await program.stop();
    await segment.ip(`link delete ${INNER}`);
    await offloads('on');
  }
  return Number(program.lines.at(-1));
}

async function offload(where: Pick<Host, 'run'>, ifname: string, state: 'on' | 'off'): Promise<void> {
  await where.run(['ethtool', '-K', ifname, 'tx', state, 'tso', state, 'gso', state, 'tx-udp-segmentation', state]);
}

import type { Host, LabProcess } from '@tartan/lab';

/** In the place of systemd: prints what arrives at a datagram socket, each as one line of JSON with the time since the first. */
const RECEIVER = `
import json, os, socket, sys, time
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
server.bind(sys.argv[1])
print('listening', flush=True)
while True:
    data, ancillary, _, _ = server.recvmsg(65536, socket.CMSG_SPACE(12))
    pid = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
    print(json.dumps({'at': time.monotonic() * 1000, 'pid': pid, 'text': data.decode()}), flush=True)
`;

export interface Notice {
  /** Milliseconds from an arbitrary start. */
  readonly at: number;
  /** The sender's, as the kernel vouches for. */
  readonly pid: number;
  readonly text: string;
}

/** A service manager that only listens. */
export class ServiceManager {
  private constructor(
    /** For NOTIFY_SOCKET. */
    readonly socket: string,
    private readonly process: LabProcess,
  ) {}

  static async start(host: Host): Promise<ServiceManager> {
    const socket = `${host.directory}/notify`;
    const process = await host.start({
      name: 'service-manager',
      argv: ['python3', '-c', RECEIVER, socket],
      stdout: 'lines',
    });
    await process.waitForLine(/^listening$/);
    return new ServiceManager(socket, process);
  }

  get notices(): Notice[] {
    return this.process.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Notice);
  }

  /** Texts without the watchdog's beats. */
  get states(): string[] {
    return this.notices.map(({ text }) => text).filter((text) => text !== 'WATCHDOG=1');
  }

  get beats(): Notice[] {
    return this.notices.filter(({ text }) => text === 'WATCHDOG=1');
  }
}

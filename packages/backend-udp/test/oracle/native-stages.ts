import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { buildCppTests, cppTestPath } from '../support/native/cpp-tests';
import type { Write } from './coalescing';
import type { IcmpError } from './icmp-error';
import { decodeSuperPacket, encodeSuperPacket, type SuperPacket } from './virtio';

/** The native code under test, stage by stage: native/test/stages_main.cc, with AddressSanitizer and UndefinedBehaviorSanitizer. */
export class NativeStages {
  private readonly answers: AsyncIterator<string>;
  private errors = '';

  private constructor(private readonly child: ChildProcessWithoutNullStreams) {
    this.answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr.on('data', (text: Buffer) => (this.errors += String(text)));
    // That it is gone is told by its missing answer.
    child.stdin.on('error', () => undefined);
  }

  static start(): NativeStages {
    buildCppTests('stages');
    return new NativeStages(spawn(cppTestPath('stages'), { stdio: 'pipe' }));
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.end();
    await ended;
  }

  /** One hop and segmentation; undefined when the virtio-net header does not fit the packet. */
  async out(superPacket: SuperPacket): Promise<Buffer[] | undefined> {
    const answer = await this.ask(['out', hex(encodeSuperPacket(superPacket))]);
    return answer === 'refused' ? undefined : answer.split(' ').map(fromHex);
  }

  async in(packets: readonly Buffer[], { tcp = true, udp = true } = {}): Promise<Write[]> {
    const answer = await this.ask(['in', tcp ? '1' : '0', udp ? '1' : '0', ...packets.map(hex)]);
    return answer.split(' ').map((write) => {
      const [count, bytes] = write.split(':') as [string, string];
      return { packets: Number(count), written: decodeSuperPacket(fromHex(bytes)) };
    });
  }

  /** undefined when no error may be sent. */
  async icmpError(packet: Buffer, source: Buffer, error: IcmpError): Promise<Buffer | undefined> {
    const kind = error.kind === 'too-big' ? ['too-big', String(error.mtuBytes)] : ['time-exceeded'];
    const answer = await this.ask([...kind, hex(source), hex(packet)]);
    return answer === 'silent' ? undefined : fromHex(answer);
  }

  private async ask(words: readonly string[]): Promise<string> {
    this.child.stdin.write(`${words.join(' ')}\n`);
    const answer = await this.answers.next();
    if (answer.done === true) throw new Error(`the native stages have ended: ${this.errors}`);
    if (['malformed', 'truncated'].includes(answer.value)) throw new Error(`the test made a ${answer.value} packet`);
    return answer.value;
  }
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex');
}

function fromHex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

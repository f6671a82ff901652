import { makeInk, padRight, type Ink } from './picture/ink';
import type { StepReport } from './report';

const LABEL_WIDTH = 72;
const FRAMES = '⠋ ⠙ ⠹ ⠸ ⠼ ⠴ ⠦ ⠧ ⠇ ⠏'.split(' ');
const FRAME_MS = 80;
const CLEAR_LINE = '\r\u001b[2K';

export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** One line per step with its duration: spinning while it runs on a terminal, and only once it is done in a pipe. */
export class Progress {
  readonly steps: StepReport[] = [];
  private readonly live: boolean;

  constructor(
    private readonly out: ProgressStream,
    private readonly ink: Ink = makeInk(false),
  ) {
    this.live = out.isTTY === true && process.env['TERM'] !== 'dumb';
  }

  /** Runs a step. What it resolves with may have a better text for the finished line. */
  async step<T>(label: string, action: () => Promise<T>, describe: (result: T) => string = () => label): Promise<T> {
    const start = performance.now();
    const spinner = this.spin(label, start);
    try {
      const result = await action();
      this.finish(spinner, this.ink.good('✓'), describe(result), start);
      return result;
    } catch (error) {
      this.finish(spinner, this.ink.bad('✗'), label, start);
      throw error;
    }
  }

  /** A step that could not be done. */
  skip(text: string): void {
    this.out.write(`  ${this.ink.warn('–')} ${text}\n`);
  }

  private spin(label: string, start: number): NodeJS.Timeout | undefined {
    if (!this.live) return undefined;
    const draw = (): void => {
      const elapsed = performance.now() - start;
      const frame = FRAMES[Math.floor(elapsed / FRAME_MS) % FRAMES.length] ?? '';
      this.out.write(`${CLEAR_LINE}  ${frame} ${padRight(label, LABEL_WIDTH)} ${this.ink.dim(duration(elapsed))}`);
    };
    draw();
    return setInterval(draw, FRAME_MS);
  }

  private finish(spinner: NodeJS.Timeout | undefined, mark: string, label: string, start: number): void {
    clearInterval(spinner);
    const milliseconds = Math.round(performance.now() - start);
    this.steps.push({ what: label, milliseconds });
    const line = `  ${mark} ${padRight(label, LABEL_WIDTH)} ${this.ink.dim(duration(milliseconds))}\n`;
    this.out.write(this.live ? CLEAR_LINE + line : line);
  }
}

function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

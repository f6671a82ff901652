import type { Answer, EtcdTransport } from '../../../src/datastore/etcd/etcd-transport';
import type { GrpcRequest, GrpcStream } from '../../../src/datastore/etcd/etcd-connection';

type Step = (request: GrpcRequest) => unknown;

/** Answers requests in the order of a script, and keeps them. */
export class ScriptedTransport {
  readonly requests: GrpcRequest[] = [];
  readonly closed = new AbortController().signal;
  readonly parted = new AbortController().signal;
  readonly tryTimeoutMs = 5_000;
  private readonly script: { readonly step: Step; readonly attempts: number }[] = [];

  /** The next request gets this answer, after so many attempts. */
  answer(response: object, attempts = 1): this {
    this.script.push({ step: () => response, attempts });
    return this;
  }

  fail(error: Error): this {
    const step = (): never => {
      throw error;
    };
    this.script.push({ step, attempts: 1 });
    return this;
  }

  async call<Response>(_operation: string, request: GrpcRequest): Promise<Answer<Response>> {
    this.requests.push(request);
    const next = this.script.shift();
    if (!next) throw new Error(`no answer for ${request.method}`);
    return { response: next.step(request) as Response, attempts: next.attempts };
  }

  get methods(): string[] {
    return this.requests.map(({ method }) => method);
  }

  get asTransport(): EtcdTransport {
    return this as unknown as EtcdTransport;
  }
}

/** A stream that a test feeds. */
export class ScriptedStream<Request, Response> implements GrpcStream<Request, Response> {
  readonly written: Request[] = [];
  cancelled = false;
  private readonly items: Response[] = [];
  private ending: Error | 'end' | null = null;
  private wake: (() => void) | null = null;

  write(message: Request): void {
    this.written.push(message);
  }

  cancel(): void {
    this.cancelled = true;
    this.end(Object.assign(new Error('1 CANCELLED'), { code: 1, details: 'Cancelled on client' }));
  }

  feed(...items: Response[]): void {
    this.items.push(...items);
    this.wake?.();
  }

  end(error: Error | 'end' = 'end'): void {
    this.ending ??= error;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Response> {
    for (;;) {
      const item = this.items.shift();
      if (item !== undefined) yield item;
      else if (this.ending === 'end') return;
      else if (this.ending) throw this.ending;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

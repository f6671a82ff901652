import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from './clock';
import type { LagReading } from './event-loop-lag';
import type { Logger } from './logger';
import type { ReadinessRegistry, ReadinessStatus } from './readiness';

/** The part of a prom-client Registry that is needed here. */
export interface MetricsSource {
  readonly contentType: string;
  metrics(): Promise<string>;
}

export interface HealthPagesOptions {
  readonly readiness: ReadinessRegistry;
  readonly lag: { read(): LagReading };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Without it /metrics does not exist. */
  readonly metrics?: MetricsSource;
  /** More pages, answered as JSON: path (`/v1/status`) to what it shows. */
  readonly json?: Readonly<Record<string, () => unknown>>;
}

interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

/** What the health server answers; knows nothing of sockets. */
export class HealthPages {
  private readonly startedAt: number;

  constructor(private readonly options: HealthPagesOptions) {
    this.startedAt = options.clock.monotonic();
  }

  /** Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = await this.page(request).catch((error: unknown) => {
      this.options.logger.error('health page failed', { error });
      return text(500, 'internal error');
    });
    response.writeHead(page.status, {
      'Content-Type': page.contentType,
      'Content-Length': Buffer.byteLength(page.body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...page.headers,
    });
    response.end(request.method === 'HEAD' ? undefined : page.body);
  }

  private async page(request: IncomingMessage): Promise<Page> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { ...text(405, 'only GET and HEAD'), headers: { Allow: 'GET, HEAD', Connection: 'close' } };
    }
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    const wants = wishes(request, query);
    if (path === '/healthz') return this.health(wants);
    if (path === '/readyz') return this.ready(wants);
    if (path === '/metrics' && this.options.metrics) return metricsPage(this.options.metrics);
    const show = this.options.json?.[path];
    return show ? asJson(200, await show()) : text(404, 'not found');
  }

  /** That this runs at all proves that the event loop turns; nothing else counts for liveness. */
  private health({ json, verbose }: Wishes): Page {
    const lag = this.options.lag.read();
    const uptimeSeconds = Math.round((this.options.clock.monotonic() - this.startedAt) / 1000);
    if (json) return asJson(200, { status: 'running', uptimeSeconds, eventLoopLag: lag });
    const details = [`uptime ${uptimeSeconds} s`, `event loop lag ${lagText(lag)}`];
    return text(200, ['tartand is running', ...(verbose ? details : [])].join('\n'));
  }

  private ready({ json, verbose }: Wishes): Page {
    const { readiness } = this.options;
    const status = readiness.ready ? 200 : 503;
    const checks = readiness.checks();
    if (json) return asJson(status, { ready: readiness.ready, checks: checks.map(checkJson) });
    const line = readiness.ready ? 'tartand is ready' : 'tartand is not ready yet';
    return text(status, [line, ...(verbose ? checks.map(checkLine) : [])].join('\n'));
  }
}

interface Wishes {
  readonly json: boolean;
  readonly verbose: boolean;
}

/** JSON where the client prefers it or says ?format=json; ?verbose (any value but 0 and false) adds the checks to the text. */
function wishes(request: IncomingMessage, query: string): Wishes {
  const parameters = new URLSearchParams(query);
  const verbose = parameters.get('verbose');
  return {
    json: parameters.get('format') === 'json' || /\bapplication\/json\b/i.test(request.headers.accept ?? ''),
    verbose: verbose !== null && verbose !== '0' && verbose !== 'false',
  };
}

async function metricsPage(metrics: MetricsSource): Promise<Page> {
  return { status: 200, contentType: metrics.contentType, body: await metrics.metrics() };
}

function checkJson({ name, ok, message, since, required }: ReadinessStatus): object {
  return { name, ok, required, message, since: new Date(since).toISOString() };
}

/** `[+]lease held`, in the manner of the Kubernetes API server; `[~]` fails without counting. */
function checkLine({ name, ok, message, since, required }: ReadinessStatus): string {
  const mark = ok ? '+' : required ? '-' : '~';
  return `[${mark}]${name} ${message} (since ${new Date(since).toISOString()})`;
}

const lagText = ({ meanMs, p99Ms, maxMs }: LagReading): string =>
  `mean ${meanMs.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, max ${maxMs.toFixed(1)} ms`;

const text = (status: number, body: string): Page => ({ status, contentType: TEXT, body: `${body}\n` });

const asJson = (status: number, value: unknown): Page => ({
  status,
  contentType: JSON_TYPE,
  body: `${JSON.stringify(value)}\n`,
});

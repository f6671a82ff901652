import { request } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import {
  ReadinessRegistry,
  startHealthServer,
  systemClock,
  type HealthServer,
  type HealthServerOptions,
  type ReadinessCheck,
} from '@tartan/core';
import { FakeClock, MemoryLogger } from '@tartan/core/testing';
import { Registry } from 'prom-client';

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

let logger: MemoryLogger;
let readiness: ReadinessRegistry;
let lease: ReadinessCheck;
let server: HealthServer;
const sockets: Socket[] = [];

const lag = { read: () => ({ meanMs: 0.1, p99Ms: 1.25, maxMs: 3 }) };

async function start(options: Partial<HealthServerOptions> = {}): Promise<void> {
  server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    logger,
    readiness,
    lag,
    ...options,
  });
}

function ask(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body = '' } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: server.host, port: server.port, path, method, headers, agent: false },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Everything that comes back on a raw connection until it closes. */
function talk(text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(server.port, server.host, () => socket.write(text));
    sockets.push(socket);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
  });
}

beforeEach(async () => {
  logger = new MemoryLogger();
  readiness = new ReadinessRegistry({ clock: new FakeClock(), logger });
  lease = readiness.declare({ name: 'lease', waitingFor: 'no lease yet' });
  await start();
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
});

describe('/healthz', () => {
  it('is 200 whatever readiness says', async () => {
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: 'tartand is running\n' });
  });

  it('tells the event loop lag when asked', async () => {
    expect((await ask('/healthz?verbose')).body).toBe(
      'tartand is running\nuptime 0 s\nevent loop lag mean 0.1 ms, p99 1.3 ms, max 3.0 ms\n',
    );
    const { headers, body } = await ask('/healthz', { headers: { Accept: 'application/json' } });
    expect(headers['content-type']).toContain('application/json');
    expect(JSON.parse(body)).toEqual({ status: 'running', uptimeSeconds: 0, eventLoopLag: lag.read() });
  });
});

describe('/readyz', () => {
  it('is 503, then 200, then 503 again', async () => {
    expect(await ask('/readyz')).toMatchObject({ status: 503, body: 'tartand is not ready yet\n' });
    lease.pass();
    expect(await ask('/readyz')).toMatchObject({ status: 200, body: 'tartand is ready\n' });
    lease.fail('lost');
    expect((await ask('/readyz')).status).toBe(503);
  });

  it('lists the checks with ?verbose', async () => {
    readiness.declare({ name: 'datastore', waitingFor: 'no answer', required: false });
    lease.pass('10.5.1.0/24');
    expect((await ask('/readyz?verbose')).body).toBe(
      'tartand is ready\n' +
        '[+]lease 10.5.1.0/24 (since 2023-11-14T22:13:20.000Z)\n' +
        '[~]datastore no answer (since 2023-11-14T22:13:20.000Z)\n',
    );
    expect((await ask('/readyz?verbose=false')).body).toBe('tartand is ready\n');
  });

  it.each<[string, Record<string, string>]>([
    ['/readyz', { Accept: 'application/json' }],
    ['/readyz?format=json', {}],
  ])('%s with %j is JSON', async (path, headers) => {
    const { status, body } = await ask(path, { headers: headers });
    expect(status).toBe(503);
    expect(JSON.parse(body)).toEqual({
      ready: false,
      checks: [
        { name: 'lease', ok: false, required: true, message: 'no lease yet', since: '2023-11-14T22:13:20.000Z' },
      ],
    });
  });
});

describe('/metrics', () => {
  it('does not exist without a registry', async () => {
    expect((await ask('/metrics')).status).toBe(404);
  });

  it('is what the registry says, with its content type', async () => {
    const metrics = new Registry();
    metrics.setDefaultLabels({});
    await server.close();
    await start({ metrics });
    const { status, headers } = await ask('/metrics');
    expect([status, headers['content-type']]).toEqual([200, metrics.contentType]);
  });

  it('is 500 without details when the registry fails, and the server lives on', async () => {
    await server.close();
    const metrics = { contentType: 'text/plain', metrics: () => Promise.reject(new Error('secret detail')) };
    await start({ metrics });
    expect(await ask('/metrics')).toMatchObject({ status: 500, body: 'internal error\n' });
    expect(logger.matching('health page failed')).toHaveLength(1);
    expect((await ask('/healthz')).status).toBe(200);
  });
});

describe('requests', () => {
  it('for more JSON pages are answered', async () => {
    await server.close();
    await start({ json: { '/v1/status': () => ({ node: 'one' }) } });
    expect(await ask('/v1/status')).toMatchObject({ status: 200, body: '{"node":"one"}\n' });
  });

  it.each(['/', '/healthz/', '/readyz/x', '/constructor', '/__proto__', '//healthz', '*'])(
    'for %s are 404',
    async (path) => {
      expect((await ask(path)).status).toBe(404);
    },
  );

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('by %s are 405', async (method) => {
    const { status, headers } = await ask('/healthz', {
      method,
      body: 'x'.repeat(100_000),
      headers: { 'Content-Length': '100000' },
    });
    expect([status, headers['allow']]).toEqual([405, 'GET, HEAD']);
  });

  it('by HEAD get the headers of GET and no body', async () => {
    const [head, get] = [await ask('/readyz', { method: 'HEAD' }), await ask('/readyz')];
    expect(head).toMatchObject({ status: 503, body: '' });
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
  });

  it('that are no HTTP are refused and the connection closed', async () => {
    expect(await talk('\x16\x03\x01 hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('with huge headers are refused', async () => {
    expect(await talk(`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  it('that never end are ended', async () => {
    const began = performance.now();
    expect(await talk('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ')).toMatch(/^HTTP\/1\.1 408 /);
    expect(performance.now() - began).toBeGreaterThan(4_500);
  });
});

describe('binding', () => {
  it('takes an IPv6 literal', async () => {
    await server.close();
    await start({ host: '::1' });
    expect(server.host).toBe('::1');
    expect((await ask('/healthz')).status).toBe(200);
  });

  it('names address and port that are taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const { port } = blocker.address() as AddressInfo;
    try {
      await expect(start({ port })).rejects.toMatchObject({
        code: 'HEALTH_BIND_FAILED',
        data: { host: '127.0.0.1', port, errnoName: 'EADDRINUSE' },
        message: `cannot listen for health checks on 127.0.0.1:${port}: EADDRINUSE`,
      });
    } finally {
      blocker.close();
    }
  });

  it('names an address that is not ours', async () => {
    await expect(start({ host: '192.0.2.1' })).rejects.toMatchObject({ data: { errnoName: 'EADDRNOTAVAIL' } });
    await expect(start({ host: '2001:db8::1' })).rejects.toThrow('[2001:db8::1]:0: EADDRNOTAVAIL');
  });

  it('refuses a port out of range', async () => {
    await expect(start({ port: 70_000 })).rejects.toMatchObject({ data: { errnoName: 'ERR_SOCKET_BAD_PORT' } });
  });
});

describe('close', () => {
  it('ends idle connections at once', async () => {
    const socket = connect(server.port, server.host);
    sockets.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    await server.close();
    await expect(start({ port: server.port })).resolves.toBeUndefined();
  });

  it('gives answers under way three seconds', async () => {
    await server.close();
    const clock = new FakeClock();
    let asked = (): void => undefined;
    const underWay = new Promise<void>((resolve) => (asked = resolve));
    const json = {
      '/stuck': () => {
        asked();
        return new Promise(() => undefined);
      },
    };
    await start({ clock, json });
    const answer = ask('/stuck').catch((error: unknown) => (error as NodeJS.ErrnoException).code);
    await underWay;
    const closed = server.close();
    await clock.advance(2_999);
    expect(await Promise.race([closed.then(() => 'closed'), Promise.resolve('open')])).toBe('open');
    await clock.advance(1);
    await closed;
    expect(await answer).toBe('ECONNRESET');
    expect(clock.timers).toBe(0);
  });
});

/**
 * An API server for tests: the part of Kubernetes that a network daemon talks to, faithful where it matters: one version for
 * everything, lists in pages with continue tokens that expire, watches with bookmarks that end in good order or not, 410 Gone as an
 * event in a 200 answer, strategic-merge patches on a sub-resource, optimistic locking, refusals with the messages of RBAC.
 * What it is not: validation, admission, authentication beyond bearer tokens.
 *
 * Behaviour follows k8s.io/apiserver v0.31 (pkg/storage/cacher, pkg/endpoints/handlers); see the notes at each place.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { ObjectStore, StoreError, type StoredObject } from './object-store';
import type { JsonObject } from './strategic-merge';

export interface TestApiServerOptions {
  readonly host?: string;
  /** 0: any free one. */
  readonly port?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Bearer tokens that are accepted; without them everybody is. */
  readonly tokens?: readonly string[];
  /** Bookmarks of an idle watch, milliseconds; the real one sends them each minute. */
  readonly bookmarkMs?: number;
}

/** What goes wrong on purpose. All may be changed at any time. */
export interface Faults {
  /** `list nodes`, `patch nodes/status`: refused as RBAC does. */
  denied: Set<string>;
  /** Every call is answered with this status. */
  status: number | null;
  /** Before each answer, milliseconds. */
  delayMs: number;
  /** Lists and watches are sent in pieces of so many bytes. */
  chunkBytes: number | null;
  /** A list breaks off after so many bytes. */
  breakListAfter: number | null;
  /** Watches get nothing any more, but stay open. */
  mute: boolean;
}

interface Call {
  readonly verb: string;
  readonly resource: string;
  readonly name: string | null;
  readonly namespace: string | null;
  readonly query: URLSearchParams;
}

export class TestApiServer {
  nodes = new ObjectStore('nodes');
  readonly pods = new ObjectStore('pods');
  readonly events: JsonObject[] = [];
  /** `list nodes`, `watch nodes?…`: every call so far. */
  readonly calls: string[] = [];
  readonly faults: Faults = noFaults();
  /** Old servers give the whole list for resourceVersion=0, whatever the limit (watch cache, before 1.33). */
  pagesFromMemory = false;
  private server: Server | null = null;
  private readonly sockets = new Set<Socket>();
  private readonly watches = new Set<ServerResponse>();
  private address: AddressInfo | null = null;
  private stops: (() => void)[] = [];

  constructor(private readonly options: TestApiServerOptions = {}) {}

  get url(): string {
    if (!this.address) throw new Error('the server was never started');
    const { address, port } = this.address;
    const host = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address;
    return `${this.options.tls ? 'https' : 'http'}://${host}:${port}`;
  }

  get watchers(): number {
    return this.watches.size;
  }

  /** Listens; again on the same port after stop(). */
  async start(): Promise<this> {
    const { tls, host = '127.0.0.1', port = 0 } = this.options;
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      this.handle(request, response).catch((error: unknown) => fail(response, error));
    };
    const server = tls ? createTlsServer(tls, handle) : createServer(handle);
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.address?.port ?? port, host, resolve);
    });
    this.server = server;
    this.address = server.address() as AddressInfo;
    return this;
  }

  /** Closes every connection and the port; the data stays. */
  async stop(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.server = null;
    for (const stop of this.stops.splice(0)) stop();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Breaks all watches off in the middle. */
  breakWatches(): void {
    for (const response of [...this.watches]) response.socket?.destroy();
  }

  /** Ends all watches in good order, as a server does when their time is over. */
  endWatches(): void {
    for (const response of [...this.watches]) response.end();
  }

  /** Tells every watch the present version. */
  bookmark(): void {
    for (const response of [...this.watches]) this.write(response, bookmarkLine(this.nodes.version));
  }

  /** A kubelet's status update: nothing but times change. */
  heartbeat(name: string): void {
    const now = new Date().toISOString();
    const conditions = ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'];
    const patch = { status: { conditions: conditions.map((type) => ({ type, lastHeartbeatTime: now })) } };
    this.nodes.patch(name, patch, true);
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { faults, options } = this;
    const call = parseCall(request);
    this.calls.push(
      `${call.verb} ${call.resource}${call.query.size > 0 ? `?${decodeURIComponent(String(call.query))}` : ''}`,
    );
    const body = await readBody(request);
    if (faults.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, faults.delayMs));
    if (faults.status !== null) throw new StoreError(faults.status, 'InternalError', 'told to fail');
    const [, token] = /^Bearer (.*)$/.exec(request.headers.authorization ?? '') ?? [];
    if (options.tokens && !options.tokens.includes(token ?? ''))
      throw new StoreError(401, 'Unauthorized', 'Unauthorized');
    this.authorize(call);
    if (call.verb === 'watch') this.watch(call, response);
    else if (call.verb === 'list') this.list(call, response);
    else json(response, call.verb === 'create' ? 201 : 200, this.perform(call, body));
  }

  /** The message is the one of k8s.io/apiserver responsewriters.forbiddenMessage. */
  private authorize({ verb, resource, name }: Call): void {
    if (!this.faults.denied.has(`${verb} ${resource}`)) return;
    const what = name === null ? resource : `${resource.split('/')[0] ?? ''} "${name}"`;
    const user = 'User "system:serviceaccount:kube-flannel:flannel"';
    const message = `${what} is forbidden: ${user} cannot ${verb} resource "${resource}" in API group "" at the cluster scope`;
    throw new StoreError(403, 'Forbidden', message);
  }

  private perform({ verb, resource, name }: Call, body: JsonObject): unknown {
    if (resource === 'version') return { major: '1', minor: '31', gitVersion: 'v1.31.0-test' };
    if (resource === 'events' && verb === 'create') {
      this.events.push(body);
      return body;
    }
    const [kind, sub] = resource.split('/');
    const store = kind === 'nodes' ? this.nodes : kind === 'pods' ? this.pods : null;
    if (!store) throw new StoreError(404, 'NotFound', 'the server could not find the requested resource');
    if (verb === 'create') return store.create(body as StoredObject);
    switch (verb) {
      case 'get':
        return store.get(name ?? '');
      case 'patch':
        return store.patch(name ?? '', body, sub === 'status');
      case 'update':
        return store.replace(name ?? '', body as StoredObject);
      case 'delete':
        return store.delete(name ?? '');
      default:
        throw new StoreError(
          405,
          'MethodNotAllowed',
          'the server does not allow this method on the requested resource',
        );
    }
  }

  // ---- list ----

  private list({ resource, query }: Call, response: ServerResponse): void {
    if (resource === 'events') {
      this.listEvents(query, response);
      return;
    }
    const store = resource === 'nodes' ? this.nodes : this.pods;
    const asked = query.get('resourceVersion');
    if (asked && Number(asked) > store.version) {
      throw new StoreError(504, 'Timeout', `Too large resource version: ${asked}, current: ${store.version}`);
    }
    const token = readToken(query.get('continue'));
    if (token && token.version < store.compacted) {
      throw new StoreError(410, 'Expired', 'The provided continue parameter is too old');
    }
    const wanted = /^metadata\.name=(.*)$/.exec(query.get('fieldSelector') ?? '')?.[1];
    const all = wanted === undefined ? store.names : store.names.filter((name) => name === wanted);
    const rest = token ? all.filter((name) => name > token.after) : all;
    const limit = asked === '0' && !this.pagesFromMemory ? 0 : Number(query.get('limit') ?? 0);
    const page = limit > 0 ? rest.slice(0, limit) : rest;
    const more = page.length < rest.length;
    const version = token?.version ?? store.version;
    const metadata = {
      resourceVersion: String(version),
      ...(more && { continue: writeToken(version, page.at(-1) ?? ''), remainingItemCount: rest.length - page.length }),
    };
    void this.sendList(
      response,
      metadata,
      page.map((name) => withoutType(store.get(name))),
    );
  }

  private listEvents(query: URLSearchParams, response: ServerResponse): void {
    const wanted = /^involvedObject\.name=(.*)$/.exec(query.get('fieldSelector') ?? '')?.[1];
    const items = this.events.filter(
      ({ involvedObject }) => wanted === undefined || (involvedObject as { name?: string }).name === wanted,
    );
    const metadata = { resourceVersion: String(this.nodes.version) };
    json(response, 200, { kind: 'EventList', apiVersion: 'v1', metadata, items });
  }

  private async sendList(response: ServerResponse, metadata: object, items: readonly object[]): Promise<void> {
    const { breakListAfter } = this.faults;
    response.writeHead(200, { 'content-type': 'application/json' });
    const head = `{"kind":"NodeList","apiVersion":"v1","metadata":${JSON.stringify(metadata)},"items":[`;
    let sent = 0;
    for (const [index, text] of [head, ...items.map((item) => JSON.stringify(item)), ']}\n'].entries()) {
      const piece = index > 1 && index <= items.length ? `,${text}` : text;
      sent += piece.length;
      if (breakListAfter !== null && sent > breakListAfter) return void response.socket?.destroy();
      if (!this.write(response, Buffer.from(piece))) await drained(response);
    }
    response.end();
  }

  // ---- watch ----

  private watch({ query }: Call, response: ServerResponse): void {
    const store = this.nodes;
    const asked = Number(query.get('resourceVersion') ?? '0');
    if (asked > store.version) {
      throw new StoreError(504, 'Timeout', `Too large resource version: ${asked}, current: ${store.version}`);
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    try {
      const backlog =
        asked === 0
          ? store.names.map((name) => addedLine(store.get(name)))
          : store.since(asked).map(({ line }) => line);
      for (const line of backlog) this.write(response, line);
    } catch (error) {
      // The cacher starts a watch that only says so (cacher.go, newErrWatcher).
      if (!(error instanceof StoreError)) throw error;
      this.write(response, Buffer.from(`${JSON.stringify({ type: 'ERROR', object: statusOf(error) })}\n`));
      response.end();
      return;
    }
    this.keepWatching(response, store, query);
  }

  private keepWatching(response: ServerResponse, store: ObjectStore, query: URLSearchParams): void {
    this.watches.add(response);
    const unlisten = store.listen(({ line }) => this.write(response, line));
    const { bookmarkMs = 60_000 } = this.options;
    const bookmarks = query.get('allowWatchBookmarks')
      ? setInterval(() => this.write(response, bookmarkLine(store.version)), bookmarkMs)
      : undefined;
    const seconds = Number(query.get('timeoutSeconds') ?? 1_800);
    const end = setTimeout(() => response.end(), seconds * 1_000);
    const stop = (): void => {
      clearInterval(bookmarks);
      clearTimeout(end);
      unlisten();
      this.watches.delete(response);
    };
    response.on('close', stop);
    this.stops.push(stop);
  }

  /** In pieces where so told. False when the reader is behind. */
  private write(response: ServerResponse, data: Buffer): boolean {
    const { chunkBytes, mute } = this.faults;
    if (mute && this.watches.has(response)) return true;
    if (chunkBytes === null) return response.write(data);
    let ready = true;
    for (let at = 0; at < data.length; at += chunkBytes) ready = response.write(data.subarray(at, at + chunkBytes));
    return ready;
  }
}

export function noFaults(): Faults {
  return { denied: new Set(), status: null, delayMs: 0, chunkBytes: null, breakListAfter: null, mute: false };
}

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

function parseCall(request: IncomingMessage): Call {
  const url = new URL(request.url ?? '/', 'http://server');
  const query = url.searchParams;
  if (url.pathname === '/version') return { verb: 'get', resource: 'version', name: null, namespace: null, query };
  const match = /^\/api\/v1(?:\/namespaces\/([^/]+))?\/(nodes|pods|events)(?:\/([^/]+))?(?:\/(status))?$/.exec(
    url.pathname,
  );
  const [, namespace = null, kind = 'unknown', name = null, sub] = match ?? [];
  const method = VERBS[request.method ?? ''] ?? 'unknown';
  const verb = method === 'get' && name === null ? (query.has('watch') ? 'watch' : 'list') : method;
  return {
    verb,
    resource: sub === undefined ? kind : `${kind}/${sub}`,
    name: name === null ? null : decodeURIComponent(name),
    namespace,
    query,
  };
}

async function readBody(request: IncomingMessage): Promise<JsonObject> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : (JSON.parse(text) as JsonObject);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function fail(response: ServerResponse, error: unknown): void {
  const known = error instanceof StoreError ? error : new StoreError(500, 'InternalError', String(error));
  if (response.headersSent) response.destroy();
  else json(response, known.code, statusOf(known));
}

function statusOf({ code, reason, message }: StoreError): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}

function addedLine(object: StoredObject): Buffer {
  return Buffer.from(`${JSON.stringify({ type: 'ADDED', object })}\n`);
}

function bookmarkLine(version: number): Buffer {
  const object = {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: { resourceVersion: String(version), creationTimestamp: null },
    spec: {},
    status: {},
  };
  return Buffer.from(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
}

function writeToken(version: number, after: string): string {
  return Buffer.from(JSON.stringify({ version, after })).toString('base64url');
}

/** Items of a typed list carry neither kind nor apiVersion: the list has said it. */
function withoutType(object: StoredObject): object {
  return { ...object, kind: undefined, apiVersion: undefined };
}

function readToken(text: string | null): { readonly version: number; readonly after: string } | null {
  if (!text) return null;
  return JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as { version: number; after: string };
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

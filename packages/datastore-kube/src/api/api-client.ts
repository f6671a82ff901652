/**
 * HTTP towards the API server: JSON calls and streams, several servers tried in turn, credentials that change.
 *
 * The client of @kubernetes/client-node is not used for this: its generated models cost some 60 MB of memory, and it hands over
 * whole parsed objects, of which we want a hundredth (docs/decisions/0005-kubernetes-client.md).
 */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { abortReason, isTartanError, TartanError, type Clock } from '@tartan/core';
import { ApiActivity } from './activity';
import type { Access, Credentials } from './credentials';
import { failureOf, isServerTrouble, unavailable, type FailedCall, type StatusBody } from './failure';

export interface ApiRequest extends FailedCall {
  readonly method?: 'GET' | 'PATCH' | 'POST' | 'PUT' | 'DELETE';
  /** With query: `/api/v1/nodes?limit=1`. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

export interface ApiClientOptions {
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** Until a server has begun to answer, milliseconds; the same for the whole of a JSON answer. 5000 unless given. */
  readonly timeoutMs?: number;
  readonly userAgent?: string;
}

/** Small answers only; lists are streamed. */
const LONGEST_JSON_BYTES = 8 << 20;
const KEEP_ALIVE_MS = 30_000;

type Agent = HttpAgent | HttpsAgent;

export class ApiClient {
  private agent: { readonly agent: Agent; readonly secure: boolean; readonly tls: Access['tls'] } | null = null;
  private readonly open = new Set<ClientRequest>();
  private preferred = 0;
  private closed = false;
  readonly timeoutMs: number;
  readonly activity = new ApiActivity();

  constructor(private readonly options: ApiClientOptions) {
    this.timeoutMs = options.timeoutMs ?? 5_000;
  }

  /** The parsed answer. Rejects with DATASTORE_* or the abort reason. */
  async json(call: ApiRequest, signal: AbortSignal): Promise<unknown> {
    if (call.method !== 'PATCH') return this.parsed(call, signal);
    const { patches } = this.activity;
    try {
      const answer = await this.parsed(call, signal);
      patches.ok++;
      return answer;
    } catch (error) {
      if (isTartanError(error, 'DATASTORE_CONFLICT')) patches.conflict++;
      else if (!signal.aborted) patches.failed++;
      throw error;
    }
  }

  private async parsed(call: ApiRequest, signal: AbortSignal): Promise<unknown> {
    const response = await this.stream(call, signal);
    const limit = this.options.clock.setTimer(this.timeoutMs, () =>
      response.destroy(new Error('the answer did not end')),
    );
    try {
      return JSON.parse(await readText(response)) as unknown;
    } catch (error) {
      throw this.explained(error, call, signal);
    } finally {
      limit.cancel();
    }
  }

  /** The body of a successful answer, to be read by the caller. Ends with an error when the signal aborts. */
  async stream(call: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const servers = await this.options.credentials.servers().catch((error: unknown) => {
      throw this.explained(error, call, signal);
    });
    let failure: Error = unavailable(call.operation, 'no API server is known');
    for (let attempt = 0; attempt < servers.length; attempt++) {
      const index = (this.preferred + attempt) % servers.length;
      try {
        const response = await this.attempt(servers[index] as string, call, signal);
        this.preferred = index;
        this.activity.server = servers[index] ?? null;
        return response;
      } catch (error) {
        failure = this.explained(error, call, signal);
        if (!(failure instanceof TartanError) || failure.code !== 'DATASTORE_UNAVAILABLE') throw failure;
      }
    }
    throw failure;
  }

  /** Ends every call under way and every connection; later calls make new ones. */
  disconnect(): void {
    this.agent?.agent.destroy();
    this.agent = null;
    for (const request of [...this.open]) request.destroy(new Error('disconnected'));
  }

  close(): void {
    this.closed = true;
    this.disconnect();
  }

  private async attempt(server: string, call: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    signal.throwIfAborted();
    if (this.closed) throw unavailable(call.operation, 'closed');
    const response = await this.sendWithNewestAccess(new URL(server + call.path), call, signal);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const text = await readText(response).catch(() => '');
    if (isServerTrouble(status)) throw unavailable(call.operation, `${server} answers ${status} ${firstLine(text)}`);
    throw failureOf(status, statusBody(text), call);
  }

  /** Credentials that are refused are read anew, since files may have changed; once more if they have. */
  private async sendWithNewestAccess(url: URL, call: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { credentials } = this.options;
    const access = await credentials.access();
    const response = await this.send(url, call, access, signal);
    if (response.statusCode !== 401) return response;
    credentials.refused();
    const renewed = await credentials.access();
    if (renewed === access) return response;
    response.resume();
    return this.send(url, call, renewed, signal);
  }

  private send(url: URL, call: ApiRequest, access: Access, signal: AbortSignal): Promise<IncomingMessage> {
    const secure = url.protocol === 'https:';
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const { userAgent = 'tartand' } = this.options;
    const headers = {
      accept: 'application/json',
      'user-agent': userAgent,
      ...access.headers,
      ...(body !== undefined && {
        'content-type': call.contentType ?? 'application/json',
        'content-length': Buffer.byteLength(body),
      }),
    };
    return new Promise((resolve, reject) => {
      const agent = this.agentFor(secure, access);
      const request = (secure ? httpsRequest : httpRequest)(url, { method: call.method ?? 'GET', headers, agent });
      this.open.add(request);
      const limit = this.options.clock.setTimer(this.timeoutMs, () =>
        request.destroy(new Error(`${url.origin}: no answer within ${this.timeoutMs} ms`)),
      );
      const onAbort = (): void => void request.destroy(abortReason(signal));
      signal.addEventListener('abort', onAbort, { once: true });
      request.on('close', () => {
        this.open.delete(request);
        limit.cancel();
        signal.removeEventListener('abort', onAbort);
      });
      request.on('error', (error) => reject(describeSocketError(error, url)));
      request.on('response', (response) => {
        limit.cancel();
        resolve(response);
      });
      request.end(body);
    });
  }

  private agentFor(secure: boolean, { tls }: Access): Agent {
    if (this.agent?.secure === secure && this.agent.tls === tls) return this.agent.agent;
    const options = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxFreeSockets: 2 };
    const agent = secure ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
    this.agent = { agent, secure, tls };
    return agent;
  }

  private explained(error: unknown, call: ApiRequest, signal: AbortSignal): Error {
    if (signal.aborted) return abortReason(signal);
    if (error instanceof TartanError) return error;
    return unavailable(call.operation, error instanceof Error ? error.message : String(error), error);
  }
}

export async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LONGEST_JSON_BYTES) throw new Error(`the answer is longer than ${LONGEST_JSON_BYTES} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function statusBody(text: string): StatusBody {
  try {
    return JSON.parse(text) as StatusBody;
  } catch {
    return text === '' ? {} : { message: firstLine(text) };
  }
}

function firstLine(text: string): string {
  const { message } = text.startsWith('{') ? statusBodyOrNone(text) : { message: undefined };
  return (message ?? text.split('\n', 1)[0] ?? '').slice(0, 200);
}

function statusBodyOrNone(text: string): StatusBody {
  try {
    return JSON.parse(text) as StatusBody;
  } catch {
    return {};
  }
}

/** Errors of sockets name the system call; an operator wants to know which server. */
function describeSocketError(error: Error, url: URL): Error {
  return error.message.includes(url.host) ? error : new Error(`${url.origin}: ${error.message}`, { cause: error });
}

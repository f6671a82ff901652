/**
 * The test API server as a program:
 *
 *   node packages/datastore-kube/dist/testing/main.js --listen 0.0.0.0:6443 [--nodes nodes.json]
 *        [--tls-cert cert.pem --tls-key key.pem] [--token TEXT]... [--bookmark-ms 1000]
 *
 * `--nodes` is a list of `{ "name": …, "podCIDRs": [ … ], "annotations": { … } }`. It prints `listening on URL`, and then takes orders
 * as lines of JSON on standard input, answered by number on standard output:
 *
 *   {"id":1,"do":"stop"}                                             → {"id":1,"result":null}
 *   {"id":2,"do":"patch","name":"n1","patch":{"spec":{"podCIDR":"10.5.1.0/24"}}}
 *
 * Nodes and pods can as well be made, changed and deleted through the API itself.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { sampleNode, type SampleNodeOptions } from './sample-node';
import { isObject, type JsonObject } from './strategic-merge';
import { TestApiServer } from './test-api-server';

interface Order {
  readonly id: number;
  readonly do: string;
  readonly name?: string;
  readonly node?: SampleNodeOptions;
  /** For `create-pod`. */
  readonly nodeName?: string;
  readonly patch?: JsonObject;
  /** For `faults`: members to set; `denied` as a list. */
  readonly faults?: JsonObject & { readonly denied?: readonly string[] };
}

function carryOut(server: TestApiServer, order: Order): unknown {
  const { name = '', node, patch = {}, faults = {} } = order;
  switch (order.do) {
    case 'start':
      return server.start().then(() => null);
    case 'stop':
      return server.stop().then(() => null);
    case 'create':
      return server.nodes.create(sampleNode(node as SampleNodeOptions));
    case 'create-pod':
      return server.pods.create({ metadata: { name }, spec: { nodeName: order.nodeName } });
    case 'patch':
      return patchBoth(server, name, patch);
    case 'delete':
      return server.nodes.delete(name);
    case 'get':
      return server.nodes.get(name);
    case 'nodes':
      return server.nodes.names.map((each) => server.nodes.get(each));
    case 'events':
      return server.events;
    case 'calls':
      return server.calls;
    case 'compact':
      server.nodes.compact();
      return null;
    case 'break-watches':
      server.breakWatches();
      return null;
    case 'heartbeat':
      server.heartbeat(name);
      return null;
    case 'faults':
      Object.assign(server.faults, faults, faults.denied && { denied: new Set(faults.denied) });
      return null;
    default:
      throw new Error(`unknown order ${order.do}`);
  }
}

/** An administrator's change of the object and of its status at once. */
function patchBoth(server: TestApiServer, name: string, patch: JsonObject): unknown {
  server.nodes.patch(name, patch, false);
  return isObject(patch['status'])
    ? server.nodes.patch(name, { status: patch['status'] }, true)
    : server.nodes.get(name);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      listen: { type: 'string', default: '127.0.0.1:0' },
      nodes: { type: 'string' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      token: { type: 'string', multiple: true },
      'bookmark-ms': { type: 'string', default: '60000' },
    },
  });
  const { host, port } = split(values.listen);
  const [cert, key] = [values['tls-cert'], values['tls-key']].map((path) => path && readFileSync(path, 'utf8'));
  const server = new TestApiServer({
    host,
    port: Number(port),
    bookmarkMs: Number(values['bookmark-ms']),
    ...(cert && key && { tls: { cert, key } }),
    ...(values.token && { tokens: values.token }),
  });
  for (const node of values.nodes ? (JSON.parse(readFileSync(values.nodes, 'utf8')) as SampleNodeOptions[]) : []) {
    server.nodes.create(sampleNode(node));
  }
  await server.start();
  process.stdout.write(`listening on ${server.url}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as Order;
    let answer: object;
    try {
      answer = { id: order.id, result: (await carryOut(server, order)) ?? null };
    } catch (error) {
      answer = { id: order.id, error: String(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

function split(listen: string): { readonly host: string; readonly port: string } {
  const at = listen.lastIndexOf(':');
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: listen.slice(at + 1) };
}

void main();

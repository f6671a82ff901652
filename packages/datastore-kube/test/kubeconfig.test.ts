import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestApiServer } from '../src/testing';

/* The suite of api-server.test.ts as it is run against a real API server, through KUBECONFIG; here against the test API server. */

const directory = mkdtempSync(join(tmpdir(), 'tartan-kubeconfig-test-'));
const path = join(directory, 'config');
const token = 'of-the-kubeconfig';
const server = new TestApiServer({ tokens: [token] });

beforeAll(async () => {
  await server.start();
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    clusters: [{ name: 'k', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
  };
  writeFileSync(path, JSON.stringify(config));
});

afterAll(async () => {
  // Nothing is left on a server that is not ours.
  expect(server.nodes.names).toEqual([]);
  await server.stop();
  rmSync(directory, { recursive: true });
});

it('reads the token from the file beside it that tokenFile names', () => {
  const own = join(directory, 'with-token-file');
  const config = {
    clusters: [{ name: 'k', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }],
    users: [
      { name: 'other', user: { token: 'of-somebody-else' } },
      { name: 'u', user: { tokenFile: 'token' } },
    ],
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    'current-context': 'c',
  };
  writeFileSync(own, JSON.stringify(config));
  writeFileSync(join(directory, 'token'), 'of-the-file\n');
  const program = join(__dirname, '../dist/kubeconfig/read-kubeconfig.js');
  const printed = JSON.parse(execFileSync(process.execPath, [program, own], { encoding: 'utf8' })) as object;
  expect(printed).toEqual({
    server: server.url,
    headers: { authorization: 'Bearer of-the-file' },
    tls: expect.anything() as unknown,
  });
});

const before = process.env['KUBECONFIG'];
process.env['KUBECONFIG'] = path;
// eslint-disable-next-line @typescript-eslint/no-require-imports
require('./api-server.test');
if (before === undefined) delete process.env['KUBECONFIG'];
else process.env['KUBECONFIG'] = before;

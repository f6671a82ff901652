import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendSuite } from '@tartan/conformance';
import { BackendRegistry, loadBackendModule, type BackendModule } from '@tartan/core';

/** docs/write-a-backend.md: what it prints is what is there, and that loads as a third party's backend would and passes. */

const docs = join(__dirname, '../../../docs');
const example = join(docs, 'examples/backend-via-gateway');

/** jest stands between us and Node's import(); packages/core/test/backend covers that one. */
function load(): Promise<BackendModule> {
  const importModule = (url: string): Promise<unknown> => Promise.resolve(jest.requireActual(fileURLToPath(url)));
  return loadBackendModule('./backend-via-gateway', { cwd: join(docs, 'examples'), importModule });
}

describe('docs/write-a-backend.md', () => {
  it('prints every file of the example, word for word', () => {
    const page = readFileSync(join(docs, 'write-a-backend.md'), 'utf8');
    const blocks = [...page.matchAll(/^```\w+ title="([^"]+)"\n(.*?)^```$/gms)];
    const printed = Object.fromEntries(blocks.map(([, name = '', text = '']) => [name, text] as const));
    const files = readdirSync(example);
    expect(printed).toEqual(Object.fromEntries(files.map((name) => [name, readFileSync(join(example, name), 'utf8')])));
  });

  it('loads by path and registers', async () => {
    const backend = await load();
    const registry = new BackendRegistry();
    registry.register(backend, './backend-via-gateway');
    expect(registry.get('via-gateway')).toBe(backend);
  });
});

// The suite declares its cases before anything asynchronous can run, so here the module comes by require.
const { backend }: { backend: BackendModule } = jest.requireActual(example);
backendSuite({ describe, it, beforeEach, afterEach }, { module: backend, options: { Gateway: '172.31.255.254' } });

describe('the example', () => {
  const prepare = (options: object): Promise<unknown> => {
    const config = {
      ipv4: null,
      ipv6: null,
      enableNFTables: false,
      backendType: 'via-gateway',
      backend: {},
      ...options,
    };
    return backend.create({ config } as never).prepare(new AbortController().signal);
  };

  it('says what it misses', async () => {
    await expect(prepare({})).rejects.toThrow('via-gateway: it carries IPv4 only');
    await expect(prepare({ ipv4: {} })).rejects.toThrow('Backend.Gateway is missing');
    await expect(prepare({ ipv4: {}, backend: { gateway: 'here' } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/*
 * Loading is done by Node itself, and jest replaces both require() and import(). So each case runs in a plain Node process
 * that compiles the sources as it loads them.
 */

const sources = resolve(__dirname, '../../src/backend/load-backend-module.ts');

const runner = `
  const { readFileSync } = require('node:fs');
  const { createRequire } = require('node:module');
  const [swcPath, target, request, cwd] = process.argv.slice(2);
  const swc = require(swcPath);
  require.extensions['.ts'] = (module, filename) => module._compile(
    swc.transformSync(readFileSync(filename, 'utf8'), {
      filename,
      jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs', ignoreDynamic: true },
    }).code,
    filename,
  );
  require(target).loadBackendModule(request, { cwd }).then(
    ({ type }) => console.log(JSON.stringify({ type })),
    ({ code, message }) => console.log(JSON.stringify({ code, message })),
  );
`;

const capabilities = `{ ipv4: true, ipv6: false, needsSameL2: false, needsOwnPublicIP: false, hitlessRestart: true, underlayFacts: false }`;
const backend = (type: string): string =>
  `{ type: '${type}', contractVersion: 1, capabilities: ${capabilities}, create() { throw new Error(); } }`;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tartan-load-'));
  write('runner.cjs', runner);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

function load(request: string, cwd = folder): { type?: string; code?: string; message?: string } {
  const swc = require.resolve('@swc/core');
  const output = execFileSync(process.execPath, [join(folder, 'runner.cjs'), swc, sources, request, cwd], {
    encoding: 'utf8',
  });
  return JSON.parse(output) as ReturnType<typeof load>;
}

describe('loadBackendModule', () => {
  it('loads a CommonJS file by relative and by absolute path', () => {
    write('mine.cjs', `module.exports.backend = ${backend('mine')};`);
    expect(load('./mine.cjs')).toEqual({ type: 'mine' });
    expect(load(join(folder, 'mine.cjs'), '/')).toEqual({ type: 'mine' });
  });

  it('loads an ES module', () => {
    write('mine.mjs', `export const backend = ${backend('mine')};`);
    expect(load('./mine.mjs')).toEqual({ type: 'mine' });
  });

  it('finds the export of a CommonJS module whose names Node cannot see', () => {
    write('mine.cjs', `module.exports = Object.assign({}, { backend: ${backend('mine')} });`);
    expect(load('./mine.cjs')).toEqual({ type: 'mine' });
  });

  it('loads a package folder, and an installed package from the working directory', () => {
    write('node_modules/mine/package.json', JSON.stringify({ name: 'mine', main: 'lib.js' }));
    write('node_modules/mine/lib.js', `exports.backend = ${backend('mine')};`);
    expect(load('mine')).toEqual({ type: 'mine' });
    expect(load('./node_modules/mine')).toEqual({ type: 'mine' });
  });

  it.each([
    { exports: './lib.js' },
    { exports: { import: './lib.js' } },
    { exports: { '.': { types: './lib.d.ts', import: { node: './lib.js' } } } },
  ])('loads a package that exports an ES module only: %j', (manifest) => {
    write('node_modules/@me/mine/package.json', JSON.stringify({ name: '@me/mine', type: 'module', ...manifest }));
    write('node_modules/@me/mine/lib.js', `export const backend = ${backend('mine')};`);
    expect(load('@me/mine')).toEqual({ type: 'mine' });
  });

  it.each(['./no-such-file.js', '/no/such/file.js', 'no-such-package'])('says when there is no %s', (request) => {
    expect(load(request)).toMatchObject({
      code: 'BACKEND_MODULE_NOT_FOUND',
      message: expect.stringContaining(request) as string,
    });
  });

  it('passes on why a module does not load', () => {
    write('throws.cjs', `throw new Error('out of luck');`);
    expect(load('./throws.cjs')).toMatchObject({
      code: 'BACKEND_MODULE_FAILED',
      message: expect.stringContaining('out of luck') as string,
    });
    write('needs.cjs', `require('no-such-dependency');`);
    expect(load('./needs.cjs')).toMatchObject({
      code: 'BACKEND_MODULE_FAILED',
      message: expect.stringContaining('no-such-dependency') as string,
    });
  });

  it.each([
    ['no export named "backend"', 'exports.backends = {};'],
    ['not an object', 'exports.backend = 7;'],
    ['backend.type', `exports.backend = { ...${backend('x')}, type: 'My Backend' };`],
    ['backend.contractVersion', `exports.backend = { ...${backend('x')}, contractVersion: '1' };`],
    ['backend.create', `exports.backend = { ...${backend('x')}, create: undefined };`],
    ['backend.checkConfig must be', `exports.backend = { ...${backend('x')}, checkConfig: 1 };`],
    ['backend.isOwnDevice must be', `exports.backend = { ...${backend('x')}, isOwnDevice: true };`],
    ['backend.capabilities must be', `exports.backend = { ...${backend('x')}, capabilities: undefined };`],
    ['backend.capabilities.ipv6', `exports.backend = { ...${backend('x')}, capabilities: { ipv4: true } };`],
  ])('says what is wrong with an export: %s', (problem, text) => {
    write('wrong.cjs', text);
    expect(load('./wrong.cjs')).toMatchObject({
      code: 'BACKEND_MODULE_INVALID',
      message: expect.stringContaining(problem) as string,
    });
  });
});

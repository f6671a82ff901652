// node -r run-typescript.cjs FILE.ts: runs TypeScript from src as jest does, for tests that need a process of their own.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { join, resolve } = require('node:path');
const { transformSync } = require('@swc/core');

const root = resolve(__dirname, '../../../..');

function sourceOf(request) {
  const [, name, , subpath] = /^@tartan\/([^/]+)(\/(.+))?$/.exec(request) ?? [];
  if (name === undefined) return undefined;
  const folder = name === 'lab' ? join(root, 'test/lab') : join(root, 'packages', name);
  return join(folder, 'src', subpath ?? '', 'index.ts');
}

const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  return resolveFilename.call(this, sourceOf(request) ?? request, ...rest);
};

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    swcrc: false,
    jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs', ignoreDynamic: true },
  });
  module._compile(code, filename);
};

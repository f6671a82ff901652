import fc from 'fast-check';
import { FakeNode, type Outcome, dualStackEnv, someResult } from './support/fake-node';
import { BUILD_PATIENCE_MS, builtProgram } from './support/program';

/*
 * Anything at all in the files and on standard input: the program ends with success or one error object, never with a report of the
 * sanitizers, which exit with a code of their own and print on standard error.
 */

let program: string;
let node: FakeNode;
beforeAll(() => (program = builtProgram('tartan-sanitized')), BUILD_PATIENCE_MS);
beforeEach(() => {
  node = new FakeNode(program);
  node.addDelegate('bridge', `#!/bin/sh\necho '${JSON.stringify(someResult)}'\n`);
});
afterEach(() => node.remove());

const RUNS = 40;

function expectClean({ exitCode, stdout, stderr }: Outcome): void {
  expect(stderr).toBe('');
  expect([0, 1]).toContain(exitCode);
  if (exitCode !== 1) return;
  const error = JSON.parse(stdout) as { code: unknown; msg: unknown };
  expect([typeof error.code, typeof error.msg]).toEqual(['number', 'string']);
}

/** A text with some of its characters replaced, doubled or dropped. */
function damaged(text: string): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.nat(text.length),
    drop: fc.nat(12),
    insert: fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('=', '\n', ',', '/', '{', '}', '"', '\\', '\0', '\ud800'),
    ),
  });
  return fc
    .array(edit, { minLength: 1, maxLength: 6 })
    .map((edits) =>
      edits.reduce((result, { at, drop, insert }) => result.slice(0, at) + insert + result.slice(at + drop), text),
    );
}

/** null for a text that is no JSON. */
function dataDirOf(config: string): unknown {
  try {
    return (JSON.parse(config) as { dataDir?: unknown } | null)?.dataDir;
  } catch {
    return null;
  }
}

test('subnet.env', async () => {
  await fc.assert(
    fc.asyncProperty(damaged(dualStackEnv), async (text) => {
      node.writeSubnetEnv(text);
      expectClean(await node.call({ command: 'ADD' }));
    }),
    { numRuns: RUNS },
  );
});

test('network config', async () => {
  const text = JSON.stringify(
    node.config({
      cniVersion: '1.1.0',
      delegate: { hairpinMode: true },
      ipam: { routes: [{ dst: '0.0.0.0/0' }] },
      'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
      prevResult: someResult,
    }),
  );
  const command = fc.constantFrom('ADD', 'DEL', 'CHECK', 'STATUS', 'GC');
  await fc.assert(
    fc.asyncProperty(command, damaged(text), async (name, config) => {
      // A config that lost its data directory would mean that of this machine.
      fc.pre(dataDirOf(config) === null || dataDirOf(config) === node.dataDir);
      expectClean(await node.call({ command: name, config }));
    }),
    { numRuns: RUNS },
  );
});

test('any JSON value in any place', async () => {
  const keys = [
    'name',
    'cniVersion',
    'subnetFile',
    'delegate',
    'ipam',
    'runtimeConfig',
    'prevResult',
    'cni.dev/valid-attachments',
  ];
  const value = fc.jsonValue({ maxDepth: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('ADD', 'DEL', 'CHECK', 'STATUS', 'GC'),
      fc.constantFrom(...keys),
      value,
      async (command, key, any) => {
        expectClean(await node.call({ command, config: { cniVersion: '1.1.0', prevResult: {}, [key]: any } }));
      },
    ),
    { numRuns: RUNS },
  );
});

test('the environment', async () => {
  const text = fc.string({ maxLength: 80 }).filter((value) => !value.includes('\0'));
  await fc.assert(
    fc.asyncProperty(text, text, text, async (containerId, ifname, path) => {
      expectClean(await node.call({ command: 'ADD', containerId, ifname, path }));
      expect(node.state().filter((name) => !/^[A-Za-z0-9][\w.-]*(@.*)?$/u.test(name))).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});

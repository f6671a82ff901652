import { writeFileSync } from 'node:fs';
import { hashMachineId, readNodeIdentity } from '@tartan/core';
import { useTemporaryDirectory } from './temporary-directory';

const at = useTemporaryDirectory();
const MACHINE_ID = '0123456789abcdef0123456789abcdef';

const read = (options: { nodeName?: string; env?: Record<string, string>; machineId?: string } = {}) => {
  if (options.machineId !== undefined) writeFileSync(at('machine-id'), options.machineId);
  return readNodeIdentity({
    nodeName: options.nodeName,
    env: options.env ?? {},
    hostname: () => 'host.example',
    machineIdPath: at('machine-id'),
  });
};

describe('the node name', () => {
  it.each([
    ['--node-name first', { nodeName: 'one', env: { NODE_NAME: 'two' } }, 'one'],
    ['then NODE_NAME', { env: { NODE_NAME: 'two' } }, 'two'],
    ['then the host name', {}, 'host.example'],
    ['empty counts as absent', { nodeName: ' ', env: { NODE_NAME: '' } }, 'host.example'],
  ])('%s', async (_name, options, expected) => {
    expect((await read(options)).node).toBe(expected);
  });
});

describe('the machine', () => {
  it('is a stable hash that never shows the id', async () => {
    const { machine } = await read({ machineId: `${MACHINE_ID}\n` });
    // HMAC-SHA256 with the 16 bytes of the id as key, by `openssl dgst -sha256 -mac HMAC -macopt hexkey:...`.
    expect(machine).toBe('a08fe72efe96329792a40c94ef77ea3c');
    expect(machine).not.toContain(MACHINE_ID.slice(0, 8));
  });

  it('differs from machine to machine', () => {
    expect(hashMachineId(MACHINE_ID)).not.toBe(hashMachineId(MACHINE_ID.replace('0', '1')));
  });

  it.each([
    ['is absent without the file', undefined],
    ['is absent while the file is empty', ''],
    ['is absent during the first boot', 'uninitialized\n'],
    ['is absent for an id of zeros', '0'.repeat(32)],
    ['is absent for anything else', 'not-an-id'],
  ])('%s', async (_name, machineId) => {
    expect(await read(machineId === undefined ? {} : { machineId })).toEqual({ node: 'host.example' });
  });
});

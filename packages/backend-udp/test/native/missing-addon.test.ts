import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBpfAddonFrom } from '../../src/kernel-path/addon';
import { load } from '../../src/native/native-addon';

describe.each([
  ['the packet loop', load, 'PACKET_LOOP_ADDON_MISSING', /neither built nor shipped/],
  ['the kernel path', loadBpfAddonFrom, 'UDP_KERNEL_PATH_UNAVAILABLE', /neither built nor shipped.*build-native\.mjs/],
] as const)('the addon of %s', (_, loadFrom, code, nothingThere) => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'addon-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function errorOf(place: string): { code?: unknown; message?: unknown; cause?: unknown } {
    try {
      return { message: `loaded ${JSON.stringify(loadFrom([place]))}` };
    } catch (error) {
      return error as Error;
    }
  }

  it('says what to do when no file is there', () => {
    const error = errorOf(join(folder, 'none.node'));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(nothingThere);
  });

  it('says why a file does not load', () => {
    const place = join(folder, 'broken.node');
    writeFileSync(place, 'no library');
    const error = errorOf(place);
    expect(error.code).toBe(code);
    expect(error.message).toContain(place);
    expect(error.cause).toBeDefined();
  });

  it('goes on to the next place', () => {
    writeFileSync(join(folder, 'broken.node'), 'no library');
    writeFileSync(join(folder, 'whole.js'), 'module.exports = { whole: true };');
    expect(loadFrom([join(folder, 'broken.node'), join(folder, 'whole.js')])).toEqual({ whole: true });
  });
});

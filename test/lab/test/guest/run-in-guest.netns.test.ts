import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guestKernelOrSkip, LabError, repositoryRoot, runInGuest, type GuestKernel } from '@tartan/lab';

// An emulated machine beside whatever else runs.
jest.setTimeout(180_000);

const kernel = guestKernelOrSkip('commands on another kernel');

(kernel ? describe : describe.skip)('runInGuest', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lab-guest-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('runs a command there: arguments, output and status come through to the byte, and the host stays as it is', async () => {
    const kept = join(folder, 'kept');
    writeFileSync(kept, 'the host’s');
    writeFileSync(join(folder, 'here'), 'of the working folder\n');
    const script = `
      uname -r; cat "$1" "$2"; id -u; echo "$WORD"; cat here; cat /proc/modules | cut -d ' ' -f 1 | grep -x veth
      ip -brief link | cut -d ' ' -f 1
      printf 'a\\r\\n\\0b' >&2; echo changed >"$1" || echo refused
      touch /tmp/own /run/own && kill -s SEGV $$`;
    const { release } = kernel as GuestKernel;
    const result = await runInGuest({
      kernel: kernel as GuestKernel,
      modules: ['veth'],
      inMemory: [kept],
      env: { WORD: "it's $HOME" },
      cwd: folder,
      command: ['sh', '-c', script, 'sh', join(repositoryRoot, 'package.json'), kept],
    });
    const { name } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as { name: string };
    expect(result.stdout).toContain(`"name": "${name}"`);
    expect(result.stdout.split('\n')[0]).toBe(release);
    expect(result.stdout.split('\n').slice(-8)).toEqual([
      '}',
      'the host’s0',
      "it's $HOME",
      'of the working folder',
      'veth',
      'lo',
      'refused',
      '',
    ]);
    expect(result.stderr).toContain('a\r\n\0b');
    expect(result.exitCode).toBe(128 + 11);
    expect(existsSync('/tmp/own') || existsSync('/run/own')).toBe(false);
  });

  it('ends a guest that takes too long, shows what it said, and leaves nothing', async () => {
    const before = readdirSync(tmpdir());
    const running = runInGuest({ kernel: kernel as GuestKernel, command: ['sleep', '600'], timeoutMs: 1000 });
    await expect(running).rejects.toThrow(/the guest with Linux \S+ for sleep 600 did not end within 1000 ms/);
    expect(readdirSync(tmpdir())).toEqual(before);
    expect(commandLines().filter((line) => line.includes('qemu-system') && line.includes(tmpdir()))).toEqual([]);
  });

  it('shows the console of a guest that never gets to its command', async () => {
    writeFileSync(join(folder, 'modules.dep'), 'virtio_pci.ko:\n9pnet_virtio.ko:\n9p.ko:\n');
    for (const file of ['modules.builtin', 'virtio_pci.ko', '9pnet_virtio.ko', '9p.ko'])
      writeFileSync(join(folder, file), '');
    const broken = { ...(kernel as GuestKernel), modules: folder };
    const error: unknown = await runInGuest({ kernel: broken, command: ['true'] }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LabError);
    expect(String(error)).toMatch(/for true ended before its command:\n.*cannot load virtio_pci\.ko/s);
  });
});

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => (existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : ''));
}

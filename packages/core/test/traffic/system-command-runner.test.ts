import { createCommandRunner, isTartanError } from '../../src';

const runner = createCommandRunner();
const node = (script: string) => ({ program: process.execPath, args: ['-e', script] });

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return isTartanError(error) ? error.code : String(error);
}

describe('running a program', () => {
  it('gives its exit code, output and errors', async () => {
    expect(await runner.run({ program: 'sh', args: ['-c', 'cat; echo oops >&2; exit 3'], input: 'in' })).toEqual({
      exitCode: 3,
      stdout: 'in',
      stderr: 'oops\n',
    });
  });

  it('passes no environment but a path and the C locale, and no shell', async () => {
    const { stdout } = await runner.run(node('console.log(JSON.stringify([process.env, process.argv[1]]))'));
    const [env] = JSON.parse(stdout) as [Record<string, string>];
    expect(Object.keys(env).sort()).toEqual(['LC_ALL', 'PATH']);
    expect(env['PATH']).toContain('/usr/sbin');
    expect((await runner.run({ program: 'printf', args: ['%s', '$HOME; ls'] })).stdout).toBe('$HOME; ls');
  });

  it('tells a program that is not there', async () => {
    expect(await codeOf(runner.run({ program: 'no-such-program', args: [] }))).toBe('TRAFFIC_TOOL_MISSING');
    const prefixed = createCommandRunner({ prefix: ['env'] });
    expect(await codeOf(prefixed.run({ program: 'no-such-program', args: [] }))).toBe('TRAFFIC_TOOL_MISSING');
    expect((await prefixed.run({ program: 'true', args: [] })).exitCode).toBe(0);
    expect(await codeOf(runner.run({ program: __filename, args: [] }))).toBe('TRAFFIC_TOOL_FAILED');
  });

  it('ends one that takes too long', async () => {
    const attempt = runner.run({ program: 'sleep', args: ['60'], timeoutMs: 50 });
    await expect(attempt).rejects.toMatchObject({
      code: 'TRAFFIC_TOOL_TIMEOUT',
      message: 'sleep did not end within 50 ms',
    });
  });

  it('ends one that writes too much', async () => {
    const small = createCommandRunner({ maxOutputBytes: 1_000 });
    expect(await codeOf(small.run({ program: 'yes', args: [] }))).toBe('TRAFFIC_TOOL_FAILED');
  });

  it('tells one that was killed', async () => {
    const attempt = runner.run({ program: 'sh', args: ['-c', 'kill -KILL $$'] });
    await expect(attempt).rejects.toMatchObject({ code: 'TRAFFIC_TOOL_FAILED', message: 'sh was ended by SIGKILL' });
  });

  it('ends it when the signal aborts, and starts none after that', async () => {
    const abort = new AbortController();
    const attempt = runner.run({ program: 'sleep', args: ['60'] }, abort.signal);
    abort.abort(new Error('stopping'));
    await expect(attempt).rejects.toThrow('stopping');
    await expect(runner.run({ program: 'sleep', args: ['60'] }, abort.signal)).rejects.toThrow('stopping');
  });

  it('does not mind a program that reads nothing of a long input', async () => {
    const input = 'x'.repeat(1_000_000);
    expect((await runner.run({ program: 'true', args: [], input })).exitCode).toBe(0);
  });
});

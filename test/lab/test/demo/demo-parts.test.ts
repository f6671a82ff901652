import { chooseDatastore } from '../../src/demo/datastore';
import { demoHelp, parseDemoOptions, UsageError } from '../../src/demo/options';
import { makeInk } from '../../src/demo/picture/ink';
import { Progress } from '../../src/demo/progress';
import { findProblems } from '../../src/demo/run-demo';
import { sampleReport } from './sample-report';

describe('options of the demo', () => {
  it('have defaults', () => {
    expect(parseDemoOptions([])).toEqual({
      hosts: 3,
      backend: 'host-gw',
      datastore: 'auto',
      keep: false,
      json: false,
      help: false,
    });
  });

  it('are read', () => {
    const argv = ['--hosts', '9', '--backend=vxlan', '--datastore', 'file', '--keep', '--json'];
    expect(parseDemoOptions(argv)).toMatchObject({
      hosts: 9,
      backend: 'vxlan',
      datastore: 'file',
      keep: true,
      json: true,
    });
  });

  it.each([
    [['--hosts', '1'], '--hosts takes a number from 2 to 9, not "1"'],
    [['--hosts', '10'], 'not "10"'],
    [['--hosts', '3x'], 'not "3x"'],
    [['--backend', 'token-ring'], '--backend takes host-gw, udp or vxlan, not "token-ring"'],
    [['--backend', 'toString'], 'not "toString"'],
    [['--datastore', 'zookeeper'], '--datastore takes auto, etcd or file, not "zookeeper"'],
    [['--bogus'], "Unknown option '--bogus'; see --help"],
    [['stray'], 'stray'],
    [['--hosts'], '--hosts'],
  ])('%j is refused with one clear line', (argv, message) => {
    expect(() => parseDemoOptions(argv)).toThrow(UsageError);
    expect(() => parseDemoOptions(argv)).toThrow(message);
    try {
      parseDemoOptions(argv);
    } catch (error) {
      expect((error as Error).message).not.toContain('\n');
    }
  });

  it('are all in the help', () => {
    for (const option of ['--hosts', '--backend', '--datastore', '--keep', '--json', '--help']) {
      expect(demoHelp()).toContain(option);
    }
  });
});

describe('the choice of the datastore', () => {
  const path = process.env['PATH'];
  afterEach(() => {
    process.env['PATH'] = path;
  });

  it('falls back to files without etcd, unless etcd was asked for', () => {
    process.env['PATH'] = '/nonexistent';
    expect(chooseDatastore('auto')).toBe('file');
    expect(chooseDatastore('file')).toBe('file');
    expect(() => chooseDatastore('etcd')).toThrow(/etcd and etcdctl not found/);
  });
});

describe('what counts as a problem', () => {
  const good = sampleReport(3);

  it('is nothing when all went well', () => {
    expect(findProblems(good)).toEqual([]);
    expect(findProblems({ ...good, throughput: null, crash: null })).toEqual([]);
  });

  it('is each lost ping, lease, route and packet', () => {
    const [first, ...rest] = good.pings;
    expect(findProblems({ ...good, pings: [{ ...first!, received: 2 }, ...rest] })).toEqual([
      'ping from host1 to host2: 2 of 3 answered',
    ]);
    expect(findProblems({ ...good, leases: good.leases.slice(1) })).toEqual([
      'host1: no lease of 10.42.200.0/24 in the datastore',
      '2 leases for 3 hosts',
    ]);
    const [host, ...others] = good.hosts;
    expect(findProblems({ ...good, hosts: [{ ...host!, routes: [] }, ...others] })).toEqual([
      'host1: 0 routes to 2 peers',
    ]);
    expect(findProblems({ ...good, crash: { ...good.crash!, lost: 1 } })).toHaveLength(1);
    expect(findProblems({ ...good, throughput: { ...good.throughput!, bitsPerSecond: 0 } })).toHaveLength(1);
  });
});

describe('progress lines', () => {
  it('come once per step in a pipe, with the better text and the duration', async () => {
    let out = '';
    const progress = new Progress({ write: (text) => (out += text) }, makeInk(false));
    await progress.step(
      'pings',
      () => Promise.resolve(6),
      (count) => `pings: ${count} of 6`,
    );
    expect(out).toMatch(/^ {2}✓ pings: 6 of 6 +\d+ ms\n$/);
    expect(progress.steps).toEqual([{ what: 'pings: 6 of 6', milliseconds: expect.any(Number) as number }]);
  });

  it('spin on a terminal and end with a clean line', async () => {
    const writes: string[] = [];
    const progress = new Progress({ isTTY: true, write: (text) => writes.push(text) }, makeInk(false));
    await progress.step('etcd', () => Promise.resolve());
    const clear = '\r\u001b[2K';
    expect(writes[0]).toContain(`${clear}  ⠋ etcd`);
    expect(writes.at(-1)?.startsWith(`${clear}  ✓ etcd `)).toBe(true);
    expect(writes.at(-1)?.endsWith(' ms\n')).toBe(true);
  });

  it('mark the step that failed, and let the error pass', async () => {
    let out = '';
    const progress = new Progress({ write: (text) => (out += text) });
    await expect(progress.step('etcd', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(out).toContain('✗ etcd');
  });
});

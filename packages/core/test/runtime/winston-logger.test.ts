import { PassThrough, Writable } from 'node:stream';
import { Ipv4Prefix, TartanError } from '@tartan/core';
import { createLogger, type LogOptions, type RootLogger } from '@tartan/core/runtime/winston';
import { FakeClock } from '@tartan/core/testing';

class Sink extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  get json(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

let sink: Sink;
const logger = (options: Partial<LogOptions> = {}): RootLogger =>
  createLogger({ level: 'info', format: 'text', stream: sink, clock: new FakeClock(), ...options });

beforeEach(() => {
  sink = new Sink();
});

const refused = new TartanError(
  'FILE_WRITE_FAILED',
  { path: '/x', operation: 'open', errnoName: 'EACCES' },
  { cause: Object.assign(new Error('outer'), { code: 'EACCES', cause: new Error('inner') }) },
);

describe('text', () => {
  it('is time, level, message and key=value', () => {
    logger().info('lease acquired', { subnet: Ipv4Prefix.parse('10.5.1.0/24'), peers: 3, node: 'a b', empty: '' });
    expect(sink.text).toBe(
      '2023-11-14T22:13:20.000Z INFO  lease acquired subnet=10.5.1.0/24 peers=3 node="a b" empty=""\n',
    );
  });

  it('shows an error with code and causes, without its stack', () => {
    logger().error('write failed', { error: refused });
    expect(sink.text).toContain(
      'ERROR write failed error="cannot write /x: open failed with EACCES" code=FILE_WRITE_FAILED cause="outer (EACCES): inner"\n',
    );
    expect(sink.text).not.toContain(' at ');
  });

  it('cannot be forged into another line or terminal command by a value', () => {
    logger().warn('bad\nname', { name: 'x\n2023 ERROR fake\u001b[2J\u2028\u009b' });
    expect(sink.lines).toHaveLength(1);
    // eslint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(sink.lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/);
  });

  it('has colours on a terminal only, and never with NO_COLOR', () => {
    const escape = '\u001b[';
    const terminal = Object.assign(new Sink(), { isTTY: true });
    logger({ stream: terminal }).warn('hello', { key: 1 });
    logger().warn('hello');
    expect(terminal.text).toContain(`${escape}33mWARN ${escape}0m hello`);
    expect(sink.text).not.toContain(escape);
    process.env['NO_COLOR'] = '1';
    try {
      const plain = Object.assign(new Sink(), { isTTY: true });
      logger({ stream: plain }).warn('hello');
      expect(plain.text).not.toContain(escape);
    } finally {
      delete process.env['NO_COLOR'];
    }
  });
});

describe('json', () => {
  it('is one object per line with stable members first', () => {
    logger({ format: 'json' }).warn('lease lost', { subnet: Ipv4Prefix.parse('10.5.1.0/24'), none: undefined });
    expect(sink.text).toBe(
      '{"time":"2023-11-14T22:13:20.000Z","level":"warn","message":"lease lost","subnet":"10.5.1.0/24"}\n',
    );
  });

  it('keeps fields that are called like its own members', () => {
    logger({ format: 'json' }).info('m', { message: 'theirs', time: 1, level: 'x' });
    expect(sink.json[0]).toMatchObject({ message: 'm', level: 'info', message_: 'theirs', time_: 1, level_: 'x' });
  });

  it('shows an error with code and causes, and its stack at debug level only', () => {
    const log = logger({ format: 'json' });
    log.error('e', { error: refused });
    log.setLevel('debug');
    log.error('e', { error: refused });
    expect(sink.json[0]?.['error']).toEqual({
      code: 'FILE_WRITE_FAILED',
      message: 'cannot write /x: open failed with EACCES',
      causes: [{ code: 'EACCES', message: 'outer', causes: [{ message: 'inner' }] }],
    });
    expect((sink.json[1]?.['error'] as { stack: string }).stack).toContain(' at ');
  });

  it('shows all errors of an aggregate', () => {
    logger({ format: 'json' }).error('e', { error: new AggregateError([new Error('one'), new Error('two')], 'both') });
    expect(sink.json[0]?.['error']).toEqual({ message: 'both', causes: [{ message: 'one' }, { message: 'two' }] });
  });
});

describe('secrets', () => {
  it('are blanked by the name of their field, at any depth', () => {
    const secret = 'S3CRET';
    logger({ format: 'json' }).info('options', {
      etcdPassword: secret,
      'etcd-password': secret,
      nested: { authToken: secret, list: [{ api_key: secret }] },
      map: new Map([['private_key', secret]]),
      headers: { Authorization: secret },
    });
    expect(sink.text).not.toContain(secret);
    expect(sink.json[0]).toMatchObject({ etcdPassword: '[redacted]', headers: { Authorization: '[redacted]' } });
  });

  it('are blanked inside URLs and PEM text, in messages and errors too', () => {
    const url = 'https://root:S3CRET@etcd:2379';
    const pem = '-----BEGIN EC PRIVATE KEY-----\nS3CRET\n-----END EC PRIVATE KEY-----';
    logger().error(`cannot reach ${url}`, { url, pem, error: new Error(`no ${url}`, { cause: `no ${pem}` }) });
    expect(sink.text).not.toContain('S3CRET');
    expect(sink.text).toContain('https://root:[redacted]@etcd:2379');
  });

  it('do not hide what merely looks alike', () => {
    logger({ format: 'json' }).info('x', { key: '10.5.1.0-24', keyfile: '/etc/k.pem', endpoint: 'http://h:1/a@b' });
    expect(sink.json[0]).toMatchObject({ key: '10.5.1.0-24', keyfile: '/etc/k.pem', endpoint: 'http://h:1/a@b' });
  });
});

describe('any value', () => {
  const circular: Record<string, unknown> = { name: 'c' };
  circular['self'] = circular;
  const deep = JSON.parse('{"a":'.repeat(50) + '1' + '}'.repeat(50)) as object;
  const shared = { a: 1 };
  const loop = new Error('loop');
  loop.cause = loop;

  it.each<[string, unknown, unknown]>([
    ['circular', circular, { name: 'c', self: '[circular]' }],
    ['the same object twice', [shared, shared], [{ a: 1 }, { a: 1 }]],
    ['BigInt', 10n ** 20n, '100000000000000000000'],
    ['NaN', NaN, 'NaN'],
    ['symbol', Symbol('s'), 'Symbol(s)'],
    ['function', function named() {}, '[function named]'],
    [
      'Map',
      new Map<unknown, unknown>([
        ['a', 1],
        [2, { b: 3n }],
      ]),
      { a: 1, 2: { b: '3' } },
    ],
    ['Set', new Set([1, 'a']), [1, 'a']],
    ['Buffer', Buffer.from('abc'), '[3 bytes]'],
    ['Date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['invalid Date', new Date(NaN), null],
    ['null', null, null],
    ['error that causes itself', loop, { message: 'loop', causes: ['[circular]'] }],
    ['no prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
    ['long list', Array.from({ length: 102 }, (_, i) => i), [...Array.from({ length: 100 }, (_, i) => i), '[2 more]']],
    [
      'getter that throws',
      {
        get bad(): never {
          throw new Error('no');
        },
        good: 1,
      },
      { bad: '[unreadable]', good: 1 },
    ],
    [
      'toJSON that throws',
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
      '[unreadable]',
    ],
    [
      'proxy that throws',
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('no');
          },
        },
      ),
      '[unreadable]',
    ],
  ])('%s', (_name, value, expected) => {
    logger({ format: 'json' }).info('x', { value });
    expect(sink.json[0]?.['value']).toEqual(expected);
    logger().info('x', { value });
    expect(sink.lines).toHaveLength(2);
  });

  it('nests only so deep', () => {
    logger().info('x', { deep });
    expect(sink.text).toContain('[deep]');
  });

  it('even fields that cannot be listed', () => {
    const fields = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no');
        },
      },
    );
    expect(() => logger().info('x', fields)).not.toThrow();
  });
});

describe('levels and children', () => {
  it('drop what is below the level, which may change later', () => {
    const log = logger({ level: 'warn' });
    const child = log.child({ part: 'child' });
    log.info('no');
    child.debug('no');
    log.setLevel('debug');
    child.debug('yes', { n: 1 });
    expect(sink.lines).toEqual(['2023-11-14T22:13:20.000Z DEBUG yes part=child n=1']);
  });

  it('children add their fields; the line itself has the last word', () => {
    logger().child({ a: 1, b: 1 }).child({ b: 2 }).info('x', { c: 3, a: 9 });
    expect(sink.text).toMatch(/ a=9 b=2 c=3\n$/);
  });
});

describe('delivery', () => {
  it('is synchronous: a line is out before the call returns', () => {
    const log = logger();
    for (let line = 0; line < 500; line++) log.info('line', { line });
    expect(sink.lines).toHaveLength(500);
  });

  it('close resolves after a slow stream took everything; later lines are dropped', async () => {
    const slow = new PassThrough({ highWaterMark: 64 });
    const log = logger({ stream: slow });
    for (let line = 0; line < 100; line++) log.info('line', { line });
    let text = '';
    slow.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await log.close();
    await log.close();
    log.info('late');
    expect(text.split('\n')).toHaveLength(101);
    expect(text).not.toContain('late');
  });

  it('survives a stream that breaks', async () => {
    const log = logger({ stream: sink });
    log.info('one');
    sink.destroy(Object.assign(new Error('gone'), { code: 'EPIPE' }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(() => log.info('two')).not.toThrow();
    await new Promise((resolve) => setImmediate(resolve));
  });
});

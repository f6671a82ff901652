import { MemoryLogger } from '@tartan/core/testing';
import { createEtcdDatastore, parseEtcdEndpoints, type EtcdDatastoreOptions } from '@tartan/core/datastore/etcd';

const shown = (endpoints: string[], tls = {}): string[] =>
  parseEtcdEndpoints(endpoints, tls).map(({ target, secure }) => `${secure ? 'tls' : 'plain'} ${target}`);

describe('etcd endpoints', () => {
  it.each([
    ['http://127.0.0.1:2379', 'plain 127.0.0.1:2379'],
    ['https://etcd.example.net:2379/', 'tls etcd.example.net:2379'],
    ['HTTPS://Etcd.example.net:443', 'tls etcd.example.net:443'],
    ['http://127.0.0.1:80', 'plain 127.0.0.1:80'],
    ['http://[fd00::1]:2379', 'plain [fd00::1]:2379'],
    ['10.0.0.1:4001', 'plain 10.0.0.1:4001'],
    [' 10.0.0.1 ', 'plain 10.0.0.1:2379'],
    ['localhost', 'plain localhost:2379'],
  ])('%j is %s', (text, expected) => expect(shown([text])).toEqual([expected]));

  it('without a scheme use TLS when certificate files are given', () => {
    expect(shown(['10.0.0.1:2379'], { caFile: '/ca.pem' })).toEqual(['tls 10.0.0.1:2379']);
    expect(shown(['10.0.0.1:2379'], { caFile: '' })).toEqual(['plain 10.0.0.1:2379']);
  });

  it.each([
    [[], 'empty'],
    [['', ' '], 'empty'],
    [['unix:///run/etcd.sock'], 'unix:///run/etcd.sock'],
    [['http://'], 'http://'],
    [['http://a:2379/path'], '/path'],
    [['http://a:2379?x'], '?x'],
    [['http://a:port'], 'a:port'],
    [['http://a:1', 'https://b:1'], 'a mix of http and https'],
  ])('%j are refused with the offending part', (endpoints, part) => {
    expect(() => parseEtcdEndpoints(endpoints)).toThrow(part);
  });

  it('never show a password that stands in a URL', () => {
    const attempt = (): unknown => parseEtcdEndpoints(['https://root:hunter2@etcd:2379']);
    expect(attempt).toThrow('(hidden)');
    expect(attempt).not.toThrow('hunter2');
  });
});

describe('etcd options', () => {
  const endpoints = ['http://127.0.0.1:2379'];
  it.each<[string, EtcdDatastoreOptions]>([
    ['without its key file', { endpoints, tls: { certFile: '/c.pem' } }],
    ['without its certificate file', { endpoints, tls: { keyFile: '/k.pem' } }],
    ['because a password is given', { endpoints, password: 'secret' }],
  ])('that make no sense together are refused: %s', (part, options) => {
    expect(() => createEtcdDatastore(options)).toThrow(part);
  });

  it('that have no effect are pointed out', () => {
    const logger = new MemoryLogger();
    createEtcdDatastore({ endpoints, tls: { caFile: '/ca.pem' }, logger });
    createEtcdDatastore({ endpoints: ['https://127.0.0.1:2379'], tls: { caFile: '/ca.pem' }, logger });
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'certificate files are not used, the etcd endpoints are http',
    ]);
  });
});

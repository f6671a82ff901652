import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEtcdDatastore, type EtcdDatastoreOptions } from '@tartan/core/datastore/etcd';
import { isTartanError, type Datastore } from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { EtcdCluster, eventually, TestAuthority, type EtcdClusterOptions } from '@tartan/lab';
import { attrsOf, Cleanup, forever, place, PREFIX, timed, TTL, Watched } from './support';

const PASSWORD = 'correct-horse-battery';
const cleanup = new Cleanup();
let logger: MemoryLogger;

beforeEach(() => {
  logger = new MemoryLogger();
});
afterEach(() => cleanup.run());

const start = async (options: EtcdClusterOptions = {}): Promise<EtcdCluster> =>
  cleanup.add(await EtcdCluster.start(options), (cluster) => cluster.destroy());
const open = (options: EtcdDatastoreOptions): Datastore =>
  cleanup.add(createEtcdDatastore({ timeoutMs: 8_000, logger, ...options }), (datastore) => datastore.close());
const directory = async (): Promise<string> =>
  cleanup.add(await mkdtemp(join(tmpdir(), 'tartan-tls-')), (path) => rm(path, { recursive: true }));
const everythingSaid = (...errors: (Error | null)[]): string =>
  JSON.stringify([logger.lines, errors.map((error) => [error?.message, error?.stack, String(error?.cause)])]);

describe('etcd with users', () => {
  const users = [{ name: 'tartan', password: PASSWORD, prefix: PREFIX }];

  it('lets a role do everything below its prefix, and nothing elsewhere', async () => {
    const cluster = await start();
    await cluster.enableAuth(users);
    const endpoints = cluster.endpoints;
    await cluster.put(`${PREFIX}/config`, '{}');
    const datastore = open({ endpoints, username: 'tartan', password: PASSWORD });
    expect((await datastore.getConfig(forever)).text).toBe('{}');
    let record = await datastore.create(place('10.5.1.0/24'), attrsOf(1), 60, forever);
    const watched = cleanup.add(new Watched(datastore, record.modRevision), (log) => log.stop());
    record = await datastore.renew(record, TTL, forever);
    record = await datastore.update(record, attrsOf(2), TTL, forever);
    record = await datastore.move(record, place('10.5.2.0/24'), attrsOf(2), TTL, forever);
    await eventually(() => watched.events.length >= 4);
    await datastore.delete(record, forever);
    await eventually(async () => (await cluster.leases()).length === 0, { what: 'no lease is left over' });

    const elsewhere = open({ endpoints, username: 'tartan', password: PASSWORD, prefix: '/other' });
    const refused = await timed(elsewhere.list(forever));
    expect(isTartanError(refused.error, 'DATASTORE_DENIED')).toBe(true);
    const watchRefused = cleanup.add(new Watched(elsewhere, 1n), (log) => log.stop());
    expect(isTartanError(await watchRefused.ended, 'DATASTORE_DENIED')).toBe(true);
    expect(elsewhere.status().reachable).toBe(true);
    expect(everythingSaid(refused.error)).not.toContain(PASSWORD);
  });

  it('refuses a wrong password and no password, without saying it', async () => {
    const cluster = await start();
    await cluster.enableAuth(users);
    const endpoints = cluster.endpoints;
    const wrong = await timed(open({ endpoints, username: 'tartan', password: 'hunter2' }).list(forever));
    const none = await timed(open({ endpoints }).list(forever));
    expect(isTartanError(wrong.error, 'DATASTORE_DENIED')).toBe(true);
    expect(isTartanError(none.error, 'DATASTORE_DENIED')).toBe(true);
    expect(everythingSaid(wrong.error, none.error)).not.toContain('hunter2');
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'datastore refuses access',
      'datastore refuses access',
    ]);
  });

  it('gets a new token when the old one does not count any more', async () => {
    const cluster = await start({ flags: ['--auth-token', 'simple'] });
    await cluster.enableAuth(users);
    const datastore = open({ endpoints: cluster.endpoints, username: 'tartan', password: PASSWORD });
    await datastore.list(forever);
    // Every change of users or roles moves the auth store's revision on.
    await cluster.etcdctl(['role', 'add', 'something']);
    await datastore.list(forever);
    // Simple tokens live in the members' memory.
    await cluster.member.stop();
    await cluster.member.start();
    await eventually(() => datastore.list(forever));
    await cluster.member.stop();
    await cluster.member.start();
    const watched = cleanup.add(new Watched(datastore, 1n), (log) => log.stop());
    await eventually(() => watched.responses.length > 0);
  });

  it('works where authentication is off, and says that the password is not used', async () => {
    const cluster = await start();
    const datastore = open({ endpoints: cluster.endpoints, username: 'tartan', password: PASSWORD });
    await datastore.list(forever);
    await datastore.list(forever);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'etcd has authentication switched off, user and password are not used',
    ]);
  });
});

describe('etcd with TLS', () => {
  it('is used with a client certificate, and refuses without one', async () => {
    const authority = await TestAuthority.create(await directory());
    const server = await authority.certificate({ name: 'server' });
    const client = await authority.certificate({ name: 'client' });
    const cluster = await start({ tls: { caFile: authority.caFile, server, client } });
    const { endpoints } = cluster;
    const { caFile } = authority;
    const datastore = open({ endpoints, tls: { caFile, ...client } });
    await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);
    const without = await timed(open({ endpoints, tls: { caFile } }).list(forever));
    expect(isTartanError(without.error, 'DATASTORE_UNAVAILABLE')).toBe(true);
  });

  it('is used with the authority alone, also as one of the system’s', async () => {
    const authority = await TestAuthority.create(await directory());
    const cluster = await start({
      tls: { caFile: authority.caFile, server: await authority.certificate({ name: 's' }) },
    });
    const { endpoints } = cluster;
    await open({ endpoints, tls: { caFile: authority.caFile } }).list(forever);
    const localhost = endpoints.map((endpoint) => endpoint.replace('127.0.0.1', 'localhost'));
    await open({ endpoints: localhost, tls: { caFile: authority.caFile } }).list(forever);
    const strange = await timed(open({ endpoints }).list(forever));
    expect(isTartanError(strange.error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    const before = process.env['SSL_CERT_FILE'];
    process.env['SSL_CERT_FILE'] = authority.caFile;
    cleanup.add(before, (value) => {
      if (value === undefined) delete process.env['SSL_CERT_FILE'];
      else process.env['SSL_CERT_FILE'] = value;
    });
    await open({ endpoints }).list(forever);
  });

  it('is not trusted with a certificate of another authority or for another name', async () => {
    const authority = await TestAuthority.create(await directory(), 'ours');
    const impostor = await TestAuthority.create(await directory(), 'theirs');
    const tls = { caFile: impostor.caFile, server: await impostor.certificate({ name: 'server' }) };
    const { endpoints } = await start({ tls });
    const foreign = await timed(open({ endpoints, tls: { caFile: authority.caFile } }).list(forever));
    expect(isTartanError(foreign.error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(foreign.error?.message).toMatch(/certificate/i);

    const misnamed = {
      caFile: authority.caFile,
      server: await authority.certificate({ name: 's', names: ['IP:10.9.9.9'] }),
    };
    const other = await start({ tls: misnamed });
    const wrongName = await timed(
      open({ endpoints: other.endpoints, tls: { caFile: authority.caFile } }).list(forever),
    );
    expect(isTartanError(wrongName.error, 'DATASTORE_UNAVAILABLE')).toBe(true);
  });

  it('follows files that change, and keeps the old ones while new ones do not fit', async () => {
    const folder = await directory();
    const old = await TestAuthority.create(folder, 'old');
    const fresh = await TestAuthority.create(folder, 'fresh');
    const files = { caFile: join(folder, 'ca.pem'), certFile: join(folder, 'c.pem'), keyFile: join(folder, 'k.pem') };
    const serverFiles = { certFile: join(folder, 'server.pem'), keyFile: join(folder, 'server.key') };
    const install = async (authority: TestAuthority): Promise<void> => {
      const server = await authority.certificate({ name: 'server' });
      const client = await authority.certificate({ name: 'client' });
      await copyFile(authority.caFile, files.caFile);
      await copyFile(server.certFile, serverFiles.certFile);
      await copyFile(server.keyFile, serverFiles.keyFile);
      await copyFile(client.certFile, files.certFile);
      await copyFile(client.keyFile, files.keyFile);
    };
    await install(old);
    const client = { certFile: files.certFile, keyFile: files.keyFile };
    const cluster = await start({ tls: { caFile: files.caFile, server: serverFiles, client } });
    const datastore = open({ endpoints: cluster.endpoints, tls: files });
    const made = await datastore.create(place('10.5.1.0/24'), attrsOf(1), TTL, forever);

    await cluster.member.stop();
    const goodCertificate = await readFile(files.certFile);
    const { certFile: otherCertificate } = await old.certificate({ name: 'unrelated' });
    await copyFile(otherCertificate, files.certFile);
    // The first failure makes the second look at the files.
    await timed(datastore.list(forever));
    await timed(datastore.list(forever));
    await writeFile(files.certFile, goodCertificate);
    await cluster.member.start();
    await eventually(() => datastore.list(forever));
    expect(logger.matching('do not fit together')).toHaveLength(1);

    await cluster.member.stop();
    await timed(datastore.list(forever));
    await install(fresh);
    await cluster.member.start();
    await eventually(() => datastore.list(forever), { timeoutMs: 15_000 });
    await datastore.renew(made, TTL, forever);
    expect(logger.matching('certificate files changed')).not.toHaveLength(0);
  });

  it('says which file is missing, and goes on when it appears', async () => {
    const folder = await directory();
    const authority = await TestAuthority.create(folder);
    const cluster = await start({
      tls: { caFile: authority.caFile, server: await authority.certificate({ name: 's' }) },
    });
    const caFile = join(folder, 'late.pem');
    const datastore = open({ endpoints: cluster.endpoints, tls: { caFile } });
    const { error } = await timed(datastore.list(forever));
    expect(isTartanError(error, 'DATASTORE_UNAVAILABLE')).toBe(true);
    expect(error?.message).toContain(caFile);
    await copyFile(authority.caFile, caFile);
    await eventually(() => datastore.list(forever));
  });
});

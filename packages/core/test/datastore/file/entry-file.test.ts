import fc from 'fast-check';
import { entryIdentity, readEntryFile, valueOfIdentity, writeEntryFile } from '../../../src/datastore/file/entry-file';

const VALUE = '{"PublicIP":"192.168.50.1","PublicIPv6":null,"Serial":12345678901234567890}';

describe('entry file', () => {
  it('has one form, with the value as etcd would hold it', () => {
    const entry = {
      created: 1_790_000_000_000_000,
      version: 3,
      expiresAt: Date.UTC(2026, 8, 21, 14, 13, 20),
      value: VALUE,
    };
    const text = writeEntryFile(entry);
    expect(text).toBe(
      `{"created":1790000000000000,"version":3,"expiresAt":"2026-09-21T14:13:20.000Z","value":${VALUE}}\n`,
    );
    expect(readEntryFile(text)).toMatchObject({ ok: true, value: entry });
  });

  it('may be written by hand with nothing but the value', () => {
    expect(readEntryFile('{ "value": { "PublicIP": "192.168.50.1" } }')).toMatchObject({
      ok: true,
      value: { created: 0, version: 0, expiresAt: null, value: '{"PublicIP":"192.168.50.1"}' },
    });
  });

  it.each([
    ['', 'not valid JSON'],
    ['{"value":{"PublicIP":"10.0.0', 'not valid JSON'],
    ['[]', 'not a JSON object'],
    ['{}', 'no "value"'],
    ['{"value":7}', 'not a JSON object'],
    ['{"value":{"PublicIP":"x"}}', 'not an IPv4 address'],
    ['{"value":{},"created":"yesterday"}', '"created"'],
    ['{"value":{},"created":-1}', '"created"'],
    ['{"value":{},"version":1.5}', '"version"'],
    ['{"value":{},"expiresAt":"soon"}', '"expiresAt"'],
    ['{"value":{},"expiresAt":17}', '"expiresAt"'],
  ])('%j is left out, with the reason', (text, reason) => {
    const entry = readEntryFile(text);
    expect(entry.ok || entry.reason).toContain(reason);
  });

  it('looks the same after a renewal and different after any other change', () => {
    const entry = { created: 1, version: 2, expiresAt: 3_000, value: VALUE };
    const identity = entryIdentity(entry);
    expect(entryIdentity({ ...entry, expiresAt: 4_000 })).toBe(identity);
    for (const change of [{ created: 9 }, { version: 9 }, { value: '{}' }, { expiresAt: null }]) {
      expect(entryIdentity({ ...entry, ...change })).not.toBe(identity);
    }
    expect(valueOfIdentity(identity)).toBe(VALUE);
  });

  it('round trips', () => {
    const arbitrary = fc.record({
      created: fc.maxSafeNat(),
      version: fc.nat(),
      expiresAt: fc.option(fc.integer({ min: 0, max: 4_000_000_000_000 })),
      value: fc.constantFrom(VALUE, '{"PublicIP":"10.0.0.1","X":"a b  c"}'),
    });
    fc.assert(
      fc.property(arbitrary, (entry) => {
        expect(readEntryFile(writeEntryFile(entry))).toMatchObject({ ok: true, value: entry });
        expect(valueOfIdentity(entryIdentity(entry))).toBe(entry.value);
      }),
    );
  });
});

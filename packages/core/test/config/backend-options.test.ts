import {
  booleanMember,
  choiceMember,
  integerMember,
  isTartanError,
  readBackendOptions,
  textMember,
  type Json,
} from '@tartan/core';
import fc from 'fast-check';

const schema = {
  VNI: integerMember({ default: 1, min: 1, max: 16_777_215, help: 'Network identifier.' }),
  Port: integerMember({ default: null, min: 1, max: 65_535, help: 'UDP port.' }),
  Learning: booleanMember({ default: false, help: 'Learn addresses.' }),
  Mode: choiceMember({ default: 'separate', choices: ['separate', 'auto'], help: 'Mode.' }),
  PSK: textMember({
    default: null,
    secret: true,
    expected: '44 characters of base64',
    valid: (text) => /^[\w+/]{43}=$/.test(text),
    help: 'Key.',
  }),
};

function failure(backend: Record<string, Json>, strict = false): string {
  try {
    readBackendOptions(backend, schema, { strict });
  } catch (error) {
    if (isTartanError(error, 'CONFIG_INVALID')) return error.message;
    throw error;
  }
  throw new Error('accepted');
}

describe('readBackendOptions', () => {
  it('gives defaults where a member is absent or null', () => {
    const { options, warnings } = readBackendOptions({ Type: 'vxlan', VNI: null }, schema);
    const typed: { VNI: number; Port: number | null; Mode: 'separate' | 'auto'; PSK: string | null } = options;
    expect(typed).toEqual({ VNI: 1, Port: null, Learning: false, Mode: 'separate', PSK: null });
    expect(warnings).toEqual([]);
  });

  it('matches names whatever their case, the last one counts', () => {
    const { options, warnings } = readBackendOptions({ type: 'x', vni: 7, PORT: 1, port: 4789, mode: 'auto' }, schema);
    expect(options).toMatchObject({ VNI: 7, Port: 4789, Mode: 'auto' });
    expect(warnings).toMatchObject([{ kind: 'repeated-key', key: 'Backend.Port' }]);
  });

  it('warns of unknown names with the nearest, or refuses them', () => {
    const { warnings } = readBackendOptions({ DirectRoutng: true, Lerning: true }, schema);
    expect(warnings).toMatchObject([
      {
        key: 'Backend.DirectRoutng',
        message:
          'Backend.DirectRoutng is not a known key and is ignored; known keys are VNI, Port, Learning, Mode, PSK',
      },
      {
        key: 'Backend.Lerning',
        message: 'Backend.Lerning is not a known key and is ignored; did you mean Backend.Learning?',
      },
    ]);
    expect(failure({ Lerning: true }, true)).toBe(
      'network config: Backend.Lerning is not a known key, expected Backend.Learning',
    );
  });

  it('speaks plainly where there are no options at all', () => {
    expect(readBackendOptions({ x: 1 }, {}).warnings[0]?.message).toBe(
      'Backend.x is not a known key and is ignored; this backend has no options',
    );
  });

  it.each<[Record<string, Json>, string]>([
    [{ VNI: 0 }, 'Backend.VNI is 0, expected a whole number from 1 to 16777215, without quotes'],
    [{ VNI: '1' }, 'Backend.VNI is "1", expected a whole number from 1 to 16777215, without quotes'],
    [{ Port: 1.5 }, 'Backend.Port is 1.5, expected a whole number from 1 to 65535, without quotes'],
    [{ Learning: 'yes' }, 'Backend.Learning is "yes", expected true or false, without quotes'],
    [{ Mode: 'Auto' }, 'Backend.Mode is "Auto", expected one of "separate", "auto"'],
    [{ Mode: ['auto'] }, 'Backend.Mode is an array, expected one of "separate", "auto"'],
    [{ PSK: 'geheim' }, 'Backend.PSK is (hidden), expected 44 characters of base64'],
    [
      { VNI: 0, Mode: {} },
      'Backend.VNI is 0, expected a whole number from 1 to 16777215, without quotes; Backend.Mode is an object, expected one of "separate", "auto"',
    ],
  ])('refuses %j', (backend, message) => {
    expect(failure(backend)).toBe(`network config: ${message}`);
  });

  it('never fails in another way, whatever the members', () => {
    const name = fc.oneof(fc.string(), fc.constantFrom('VNI', 'port', 'Mode', 'PSK', '__proto__', 'constructor'));
    fc.assert(
      fc.property(fc.dictionary(name, fc.jsonValue()), fc.boolean(), (backend, strict) => {
        try {
          readBackendOptions(backend as Record<string, Json>, schema, { strict });
          return true;
        } catch (error) {
          return isTartanError(error, 'CONFIG_INVALID');
        }
      }),
    );
  });
});

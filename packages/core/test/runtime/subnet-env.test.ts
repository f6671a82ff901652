import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import {
  Ipv4Address,
  Ipv4Prefix,
  Ipv6Address,
  Ipv6Prefix,
  parseSubnetEnv,
  readSubnetEnv,
  renderSubnetEnv,
  silentLogger,
  writeSubnetEnv,
  type SubnetEnv,
} from '@tartan/core';
import { MemoryLogger } from '@tartan/core/testing';
import { useTemporaryDirectory } from './temporary-directory';

const dual: SubnetEnv = {
  network: Ipv4Prefix.parse('10.42.0.0/16'),
  subnet: Ipv4Prefix.parse('10.42.0.0/24'),
  ipv6Network: Ipv6Prefix.parse('2001:cafe:42::/56'),
  ipv6Subnet: Ipv6Prefix.parse('2001:cafe:42::/64'),
  mtuBytes: 1450,
  ipMasq: true,
};
const v4 = { ...dual, ipv6Network: null, ipv6Subnet: null };
const v6 = { ...dual, network: null, subnet: null };

describe('renderSubnetEnv', () => {
  it('writes the sample of flannel byte for byte', () => {
    expect(renderSubnetEnv(dual)).toBe(
      'FLANNEL_NETWORK=10.42.0.0/16\n' +
        'FLANNEL_SUBNET=10.42.0.1/24\n' +
        'FLANNEL_IPV6_NETWORK=2001:cafe:42::/56\n' +
        'FLANNEL_IPV6_SUBNET=2001:cafe:42::1/64\n' +
        'FLANNEL_MTU=1450\n' +
        'FLANNEL_IPMASQ=true\n',
    );
  });

  it('leaves out the family that is off', () => {
    const names = (env: SubnetEnv): string[] =>
      [...renderSubnetEnv(env).matchAll(/^FLANNEL_(\w+)=/gm)].map(([, name]) => name!);
    expect(names({ ...v4, ipMasq: false })).toEqual(['NETWORK', 'SUBNET', 'MTU', 'IPMASQ']);
    expect(names(v6)).toEqual(['IPV6_NETWORK', 'IPV6_SUBNET', 'MTU', 'IPMASQ']);
    expect(renderSubnetEnv({ ...v4, ipMasq: false })).toContain('FLANNEL_IPMASQ=false\n');
  });

  it('comes back from parsing', () => {
    const prefix4 = fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 8, max: 30 }));
    const prefix6 = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.integer({ min: 8, max: 126 }));
    fc.assert(
      fc.property(prefix4, prefix6, fc.nat(65535), fc.boolean(), ([a4, l4], [a6, l6], mtuBytes, ipMasq) => {
        const subnet = Ipv4Prefix.of(Ipv4Address.fromNumber(a4), l4);
        const ipv6Subnet = Ipv6Prefix.of(Ipv6Address.fromBigInt(a6), l6);
        const env = { network: subnet, subnet, ipv6Network: ipv6Subnet, ipv6Subnet, mtuBytes, ipMasq };
        expect(JSON.stringify(parseSubnetEnv(renderSubnetEnv(env), silentLogger))).toBe(JSON.stringify(env));
      }),
    );
  });

  it('is what a shell reads', () => {
    const script = `set -a; eval "$1"; printf '%s|%s' "$FLANNEL_SUBNET" "$FLANNEL_IPMASQ"`;
    const output = execFileSync('sh', ['-c', script, 'sh', renderSubnetEnv(dual)], { encoding: 'utf8' });
    expect(output).toBe('10.42.0.1/24|true');
  });
});

describe('parseSubnetEnv', () => {
  const parse = (text: string, logger = new MemoryLogger()) => {
    const env = parseSubnetEnv(text, logger);
    const shown = Object.entries(env).filter(([, value]) => value !== null);
    return { values: Object.fromEntries(shown.map(([key, value]) => [key, String(value)])), logger };
  };

  it.each([
    ['quotes', 'FLANNEL_SUBNET="10.1.2.1/24"', { subnet: '10.1.2.0/24' }],
    ['single quotes and a comment', "FLANNEL_SUBNET='10.1.2.1/24' # mine", { subnet: '10.1.2.0/24' }],
    ['export', 'export FLANNEL_MTU=1472', { mtuBytes: '1472' }],
    ['comments and blank lines', '# hello\n\n  FLANNEL_MTU = 1472  # why', { mtuBytes: '1472' }],
    [
      'CRLF and a byte order mark',
      '\ufeffFLANNEL_MTU=1400\r\nFLANNEL_IPMASQ=true\r\n',
      { mtuBytes: '1400', ipMasq: 'true' },
    ],
    ['the last of two', 'FLANNEL_MTU=1\nFLANNEL_MTU=2', { mtuBytes: '2' }],
    ['host bits', 'FLANNEL_SUBNET=10.5.72.1/24', { subnet: '10.5.72.0/24' }],
    ['a list of one', 'FLANNEL_NETWORK=10.5.0.0/16,', { network: '10.5.0.0/16' }],
    ['no assignment at all', 'FLANNEL_SUBNET\n===\n[section]', {}],
    ['an empty value', 'FLANNEL_SUBNET=\nFLANNEL_MTU=', {}],
    ['an MTU that is no number', 'FLANNEL_MTU=big', {}],
    ['IPMASQ that is not exactly true', 'FLANNEL_IPMASQ=yes', { ipMasq: 'false' }],
  ])('understands %s', (_name, text, expected) => {
    expect(parse(text).values).toEqual(expected);
  });

  it('takes more than one prefix for none, and says so', () => {
    const { values, logger } = parse('FLANNEL_SUBNET=10.1.0.0/24,10.2.0.0/24');
    expect(values).toEqual({});
    expect(logger.matching('more than one value')).toHaveLength(1);
  });

  it.each([
    'FLANNEL_SUBNET=fc00::1/64',
    'FLANNEL_SUBNET=10.1.2.3',
    'FLANNEL_SUBNET=10.1.2.3/33',
    'FLANNEL_IPV6_SUBNET=10.0.0.0/8',
  ])('leaves out %s with a warning (a panic in the original)', (text) => {
    const { values, logger } = parse(text);
    expect(values).toEqual({});
    expect(logger.matching('unusable value')).toHaveLength(1);
  });

  it('keeps the good element beside a bad one', () => {
    expect(parse('FLANNEL_SUBNET=junk,10.1.0.1/24').values).toEqual({ subnet: '10.1.0.0/24' });
  });

  it('never throws', () => {
    const line = fc.oneof(
      fc.string(),
      fc.string().map((value) => `FLANNEL_SUBNET=${value}`),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        parseSubnetEnv(lines.join('\n'), silentLogger);
      }),
    );
  });
});

describe('the file', () => {
  const at = useTemporaryDirectory();

  it('is written once and read back', async () => {
    const path = at('flannel', 'subnet.env');
    expect(await writeSubnetEnv(path, v4)).toBe('written');
    expect(await writeSubnetEnv(path, v4)).toBe('unchanged');
    expect(readFileSync(path, 'utf8')).toBe(renderSubnetEnv(v4));
    expect(String((await readSubnetEnv(path, silentLogger))?.subnet)).toBe('10.42.0.0/24');
  });

  it('may be absent, silently', async () => {
    const logger = new MemoryLogger();
    expect(await readSubnetEnv(at('none'), logger)).toBeNull();
    expect(logger.lines).toEqual([]);
  });

  it('may be unreadable, with a warning', async () => {
    mkdirSync(at('directory'));
    const logger = new MemoryLogger();
    expect(await readSubnetEnv(at('directory'), logger)).toBeNull();
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { errnoName: 'EISDIR' } }]);
  });

  it('may hold anything', async () => {
    writeFileSync(at('binary'), Buffer.from([0xff, 0, 0x3d, 0xfe]));
    expect(await readSubnetEnv(at('binary'), silentLogger)).toMatchObject({ subnet: null });
  });
});

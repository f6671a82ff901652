import { compileInterfaceRegex } from '../../src/iface/interface-regex';

describe('compileInterfaceRegex', () => {
  it.each([
    ['eth[01]', 'eth1', true],
    ['^eth', 'veth0', false],
    ['(?i)ETH', 'eth0', true],
    ['(?is)^E.H', 'eth0', true],
    ['(?P<kind>en)p', 'enp0s3', true],
    ['(?:ens|enp)\\d+', 'enp0', true],
    ['10\\.0\\.', '10.0.3.1', true],
    ['^(?!veth)', 'veth0', false],
  ])('%s on %s: %s', (regex, text, expected) => {
    expect(compileInterfaceRegex(regex).test(text)).toBe(expected);
  });

  it.each(['(', 'eth[[:digit:]]', '\\Aeth', 'eth\\z', '\\Q10.0\\E', 'a(?i)b', '(?i:eth)', '(?U)a+', '\\pN'])(
    '%s is refused rather than read differently',
    (regex) => {
      expect(() => compileInterfaceRegex(regex)).toThrow(
        /^--iface-regex is .*, expected a (JavaScript )?regular expression/,
      );
    },
  );

  it('keeps no state between searches', () => {
    const regex = compileInterfaceRegex('(?m)eth');
    expect([regex.test('eth0'), regex.test('eth0')]).toEqual([true, true]);
  });
});

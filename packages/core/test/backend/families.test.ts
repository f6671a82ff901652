import { checkFamilies, enabledFamilies, parseNetworkConfig, type BackendCapabilities } from '@tartan/core';

const backendWith = (ipv4: boolean, ipv6: boolean) => ({
  type: 'mine',
  capabilities: { ipv4, ipv6 } as BackendCapabilities,
});
const config = (text: string) => parseNetworkConfig(text).config;
const four = config('{"Network":"10.5.0.0/16"}');
const six = config('{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/48"}');
const both = config('{"Network":"10.5.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/48"}');

test.each([
  [four, true, false],
  [six, false, true],
  [both, true, true],
])('a backend that carries what is wanted is taken', (wanted, ipv4, ipv6) => {
  expect(() => checkFamilies(backendWith(ipv4, ipv6), wanted)).not.toThrow();
});

test.each([
  [four, false, true, 4],
  [six, true, false, 6],
  [both, true, false, 6],
  [both, false, true, 4],
] as const)('one that does not is refused with the family', (wanted, ipv4, ipv6, family) => {
  expect(() => checkFamilies(backendWith(ipv4, ipv6), wanted)).toThrow(
    expect.objectContaining({ code: 'BACKEND_FAMILY_UNSUPPORTED', data: { backend: 'mine', family } }) as Error,
  );
});

test('the families that are on, IPv4 first', () => {
  expect([four, six, both].map(enabledFamilies)).toEqual([[4], [6], [4, 6]]);
});

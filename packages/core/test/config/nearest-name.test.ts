import { nearestName } from '@tartan/core';
import fc from 'fast-check';
import { editDistance } from '../../src/config/nearest-name';

/** The textbook recursion, without any table. */
function slowDistance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  const [x, y] = [a.slice(0, -1), b.slice(0, -1)];
  let best = Math.min(
    slowDistance(x, b) + 1,
    slowDistance(a, y) + 1,
    slowDistance(x, y) + Number(a.at(-1) !== b.at(-1)),
  );
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)) {
    best = Math.min(best, slowDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return best;
}

describe('editDistance', () => {
  it('agrees with the textbook recursion', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 });
    fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === slowDistance(a, b)));
  });
});

describe('nearestName', () => {
  const known = ['Network', 'IPv6Network', 'SubnetLen', 'SubnetMin', 'SubnetMax'];

  it.each([
    ['Netwrok', 'Network'],
    ['subnet_len', 'SubnetLen'],
    ['SubnetLenght', 'SubnetLen'],
    ['Ipv6Netwrk', 'IPv6Network'],
    ['Mode', undefined],
    ['', undefined],
    ['x'.repeat(100_000), undefined],
  ])('of %p is %p', (name, expected) => {
    expect(nearestName(name, known)).toBe(expected);
  });
});

import { isCertainlyOurs, judgeOwner } from '../../src/lease/ownership';
import { attrs, owner } from './lease-fixtures';

const OURS = { kind: 'ours', reinstalled: false };
const REINSTALLED = { kind: 'ours', reinstalled: true };
const FOREIGN = { kind: 'foreign' };
const duplicateOf = (by: object): object => ({ kind: 'duplicate', owner: by });

describe('judgeOwner', () => {
  const own = attrs('192.0.2.1 2001:db8::1');
  const me = owner('web', 'm1');

  it.each([
    ['flanneld, our address', attrs('192.0.2.1'), OURS],
    ['flanneld, another address', attrs('192.0.2.2'), FOREIGN],
    ['flanneld, another IPv4 and our IPv6 address', attrs('192.0.2.2 2001:db8::1'), FOREIGN],
    ['we', attrs('192.0.2.1', { owner: me }), OURS],
    ['we, before our address changed', attrs('192.0.2.9', { owner: me }), OURS],
    ['we, reinstalled', attrs('192.0.2.1', { owner: owner('web', 'm2') }), REINSTALLED],
    ['another host of our name', attrs('192.0.2.2', { owner: owner('web', 'm2') }), FOREIGN],
    ['our name without a machine id, our address', attrs('192.0.2.1', { owner: owner('web', null) }), OURS],
    ['our name without a machine id, another address', attrs('192.0.2.2', { owner: owner('web', null) }), FOREIGN],
    ['another node', attrs('192.0.2.2', { owner: owner('db', 'm2') }), FOREIGN],
    ['another node with our address', attrs('192.0.2.1', { owner: owner('db', 'm2') }), duplicateOf(owner('db', 'm2'))],
    [
      'another node with our IPv6 address',
      attrs('192.0.2.2 2001:db8::1', { owner: owner('db') }),
      duplicateOf(owner('db')),
    ],
    [
      'a clone of our disk, another name',
      attrs('192.0.2.1', { owner: owner('db', 'm1') }),
      duplicateOf(owner('db', 'm1')),
    ],
    ['another IPv6-only node', attrs('2001:db8::2', { owner: owner('db') }), FOREIGN],
  ])('%s', (_, found, expected) => {
    expect(judgeOwner(found, own, me)).toEqual(expected);
  });

  it.each([
    ['flanneld without IPv4, our IPv6 address', attrs('2001:db8::1'), OURS],
    ['flanneld without any address', attrs('0.0.0.0'), FOREIGN],
    ['flanneld without IPv4, another IPv6 address', attrs('2001:db8::2'), FOREIGN],
  ])('on an IPv6-only node: %s', (_, found, expected) => {
    expect(judgeOwner(found, attrs('2001:db8::1'), me)).toEqual(expected);
  });

  describe.each(['localhost', 'localhost.localdomain', 'LOCALHOST'])('a node called %s', (name) => {
    const nobody = owner(name, 'm1');

    it.each([
      ['knows itself by machine and address', attrs('192.0.2.1', { owner: nobody }), OURS],
      ['is not its clone under another address', attrs('192.0.2.2', { owner: nobody }), FOREIGN],
      [
        'does not take over from another machine',
        attrs('192.0.2.1', { owner: owner(name, 'm2') }),
        duplicateOf(owner(name, 'm2')),
      ],
    ])('%s', (_, found, expected) => {
      expect(judgeOwner(found, own, nobody)).toEqual(expected);
    });
  });

  it.each([
    ['ours under our address', attrs('192.0.2.1', { owner: me }), true],
    ['ours under another address (or a clone)', attrs('192.0.2.9', { owner: me }), false],
    ['without a machine id', attrs('192.0.2.1', { owner: owner('web', null) }), false],
    ['of the reinstalled node', attrs('192.0.2.1', { owner: owner('web', 'm2') }), false],
    ['unsigned', attrs('192.0.2.1'), false],
  ])('is certain about a lease %s: %s', (_, found, expected) => {
    expect(isCertainlyOurs(found, own, me)).toBe(expected);
  });
});

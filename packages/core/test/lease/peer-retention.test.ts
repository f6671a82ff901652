import type { LeaseRecord } from '../../src';
import { PeerRetention } from '../../src/lease/peer-retention';
import { attrs, owner, record } from './lease-fixtures';

const CONFIRM_MS = 5_000;
const GRACE_MS = 60_000;

const peer = (number: number, at = number): LeaseRecord =>
  record(`10.5.${at}.0/24`, attrs(`198.51.100.${number}`, { owner: owner(`n${number}`) }));
const peers = (...records: readonly LeaseRecord[]): Map<string, LeaseRecord> =>
  new Map(records.map((found) => [found.key, found]));
const ten = Array.from({ length: 10 }, (_, i) => peer(i + 1));

describe('PeerRetention', () => {
  let retention: PeerRetention;
  beforeEach(() => {
    retention = new PeerRetention({ confirmMs: CONFIRM_MS, rebuildGraceMs: GRACE_MS });
    retention.merge(peers(...ten), 'listing', 0);
  });

  it.each([
    ['a listing without half of them', 'listing', 5, true],
    ['a listing without fewer', 'listing', 4, false],
    ['events that delete half of them', 'events', 5, true],
    ['events that delete fewer', 'events', 4, false],
    ['a rebuilt datastore without one', 'rebuilt', 1, true],
  ] as const)('%s', (_, cause, missing, doubted) => {
    const { kept, decideAt } = retention.merge(peers(...ten.slice(missing)), cause, 100);
    expect(kept).toHaveLength(doubted ? missing : 0);
    expect(decideAt === null).toBe(!doubted);
  });

  it('believes the explicit end of one or two leases, even when they are all', () => {
    const few = new PeerRetention({ confirmMs: CONFIRM_MS, rebuildGraceMs: GRACE_MS });
    few.merge(peers(peer(1), peer(2)), 'listing', 0);
    expect(few.merge(peers(), 'events', 10).kept).toEqual([]);
  });

  it('doubts a listing without the only peer', () => {
    const one = new PeerRetention({ confirmMs: CONFIRM_MS, rebuildGraceMs: GRACE_MS });
    one.merge(peers(peer(1)), 'listing', 0);
    expect(one.merge(peers(), 'listing', 10).kept).toHaveLength(1);
  });

  it('decides by a full listing only, and not before the time is up', () => {
    retention.merge(peers(), 'listing', 100);
    expect(retention.merge(peers(), 'listing', 5_000)).toMatchObject({ confirmed: [], decideAt: 5_100 });
    expect(retention.merge(peers(), 'events', 9_000).kept).toHaveLength(10);
    const { kept, confirmed } = retention.merge(peers(), 'listing', 9_001);
    expect([kept.length, confirmed.length]).toEqual([0, 10]);
  });

  it('forgets its doubt about whoever is back, also under another subnet', () => {
    retention.merge(peers(), 'listing', 100);
    const { kept } = retention.merge(peers(peer(1), peer(2, 77)), 'events', 200);
    expect(kept.map(({ attrs: { owner: by } }) => by?.node)).toEqual(
      ten.slice(2).map((found) => found.attrs.owner?.node),
    );
  });

  it('does not count a node that moves as missing', () => {
    const moved = ten.map((_, i) => peer(i + 1, i + 101));
    expect(retention.merge(peers(...moved), 'events', 100).kept).toEqual([]);
  });

  it('gives everybody the time again when the datastore is rebuilt meanwhile', () => {
    retention.merge(peers(), 'listing', 100);
    retention.merge(peers(), 'rebuilt', 4_000);
    expect(retention.merge(peers(), 'listing', 6_000).kept).toHaveLength(10);
    expect(retention.merge(peers(), 'listing', 4_000 + GRACE_MS).kept).toEqual([]);
  });
});

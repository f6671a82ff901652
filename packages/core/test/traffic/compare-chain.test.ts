import * as fc from 'fast-check';
import { compareChain, type ListedRule } from '../../src/traffic/rules/compare-chain';
import { ruleKey, type TrafficRule } from '../../src/traffic/rules/traffic-rule';
import { WrittenForm } from '../../src/traffic/rules/written-form';
import { rulesFor, desiredTraffic, family } from './support';

const desired = rulesFor().rules.masquerade;
const others = rulesFor(desiredTraffic({ ipv4: family('10.43.0.0/16', '10.43.7.0/24') })).rules.masquerade.slice(1);

type Listed = ListedRule<string>;

function own(rule: TrafficRule): Listed {
  return { owner: rule.src || rule.dst ? 'own' : 'shared', key: ruleKey(rule), ref: ruleKey(rule) };
}

function foreign(rule: TrafficRule): Listed {
  return { owner: 'foreign', key: ruleKey(rule), ref: ruleKey(rule) };
}

const [mark, ...ours] = desired.map(own) as [Listed, ...Listed[]];

/** What the tools do with a change. */
function carryOut(listed: readonly Listed[] | null, change: ReturnType<typeof compareChain<string>>): Listed[] | null {
  switch (change.kind) {
    case 'none':
      return listed ? [...listed] : null;
    case 'drop':
      return null;
    case 'rewrite':
      return change.rules.map(own);
    case 'edit': {
      const rest = [...(listed ?? [])];
      for (const ref of change.remove) {
        rest.splice(
          rest.findIndex((rule) => rule.ref === ref),
          1,
        );
      }
      return [...change.first.map(own), ...rest, ...change.rules.map(own)];
    }
  }
}

describe('a chain compared with what it must be', () => {
  it('is right as written, also between rules of other networks', () => {
    expect(compareChain([mark, ...ours], desired).kind).toBe('none');
    expect(
      compareChain([foreign(others[0]!), mark, ours[0]!, foreign(others[1]!), ...ours.slice(1)], desired).kind,
    ).toBe('none');
    expect(compareChain(null, []).kind).toBe('none');
    expect(compareChain([mark, foreign(others[0]!)], []).kind).toBe('none');
  });

  it('is rewritten whole when it is missing or holds nobody else’s rules', () => {
    expect(compareChain(null, desired)).toEqual({ kind: 'rewrite', rules: desired });
    expect(compareChain([], desired)).toEqual({ kind: 'rewrite', rules: desired });
    expect(compareChain([mark, ...ours.slice(1)], desired)).toEqual({ kind: 'rewrite', rules: desired });
    expect(compareChain([mark, ...ours].reverse(), desired)).toEqual({ kind: 'rewrite', rules: desired });
  });

  it('is edited rule by rule where others have theirs', () => {
    expect(compareChain([mark, ours[0]!, ...others.map(foreign)], desired)).toEqual({
      kind: 'edit',
      remove: [ours[0]!.ref],
      first: [],
      rules: desired.slice(1),
    });
  });

  it('gets the mark rule in front of ours, and loses one without a mask', () => {
    const exact: Listed = { owner: 'shared', key: 'ipv4 mark 16384/4294967295 return', ref: 'exact' };
    const change = compareChain([exact, ...ours, foreign(others[0]!)], desired);
    expect(change).toMatchObject({
      kind: 'edit',
      first: [desired[0]],
      remove: [...ours.map(({ ref }) => ref), 'exact'],
    });
    expect(compareChain([...ours, mark, foreign(others[0]!)], desired).kind).toBe('edit');
  });

  it('goes when nothing is wanted and nobody else is in it', () => {
    expect(compareChain([mark, ...ours], []).kind).toBe('drop');
    expect(compareChain([], []).kind).toBe('drop');
    expect(compareChain([mark, ...ours, foreign(others[0]!)], [])).toEqual({
      kind: 'edit',
      remove: ours.map(({ ref }) => ref),
      first: [],
      rules: [],
    });
  });

  it('is right after one change, whatever it was before, and no other rule moved or vanished', () => {
    const anyRule = fc.constantFrom(mark, ...ours, ...others.map(foreign), {
      owner: 'own' as const,
      key: null,
      ref: 'not understood',
    });
    const anyChain = fc.oneof(fc.constant(null), fc.array(anyRule, { maxLength: 12 }));
    fc.assert(
      fc.property(anyChain, fc.constantFrom(desired, []), (listed, wanted) => {
        const change = compareChain(listed, wanted);
        const after = carryOut(listed, change);
        expect(compareChain(after, wanted).kind).toBe('none');
        const kept = (chain: readonly Listed[] | null): string[] =>
          (chain ?? []).filter(({ owner }) => owner === 'foreign').map(({ ref }) => ref);
        expect(kept(after)).toEqual(kept(listed));
      }),
    );
  });
});

describe('a form that is not understood', () => {
  const strange = (text: string): Listed => ({ owner: 'own', key: null, ref: text });
  const listing = [mark, ...ours.slice(1), strange('as a newer nft puts it')];

  it('counts as right only as it was listed after a write of ours', () => {
    const form = new WrittenForm<string>((ref) => ref);
    expect(form.accepts(listing, desired)).toBe(false);
    form.wrote(desired);
    expect(form.accepts(listing, desired)).toBe(true);
    expect(form.accepts([...listing].reverse(), desired)).toBe(false);
    expect(form.accepts(listing.slice(1), desired)).toBe(false);
    expect(form.accepts(listing, desired.slice(1))).toBe(false);
    expect(form.accepts(listing, desired)).toBe(true);
  });

  it('is no excuse for rules that are understood', () => {
    const form = new WrittenForm<string>((ref) => ref);
    form.wrote(desired);
    expect(form.accepts([...ours].reverse().concat(mark), desired)).toBe(false);
  });
});

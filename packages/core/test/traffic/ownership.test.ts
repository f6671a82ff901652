import { networksSpokenOf, ruleOwner } from '../../src/traffic/rules/ownership';
import { readXtRule } from '../../src/traffic/iptables/xt-rule';
import { NETWORK, prefixes } from './support';

/** The daemon's networks: the one in force and one before it. */
const ours = prefixes(NETWORK, '10.41.0.0/16');

describe('the owner of a rule', () => {
  it.each([
    ['-s 10.42.1.0/24 -d 10.42.0.0/16 -j RETURN', 'own'],
    ['-s 10.42.0.0/16 -d 10.42.1.0/24 -j RETURN', 'own'],
    ['! -s 10.42.0.0/16 -d 10.42.77.0/24 -j RETURN', 'own'],
    ['-s 10.42.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE', 'own'],
    ['! -s 10.42.0.0/16 -d 10.42.0.0/16 -j MASQUERADE', 'own'],
    ['! -s 10.42.1.0/24 -d 10.42.0.0/16 -j RETURN', 'own'],
    ['-s 10.42.0.0/16 -j ACCEPT', 'own'],
    ['-d 10.42.0.0/16 -j ACCEPT', 'own'],
    ['-s 10.42.0.0/16 -m weird --thing 3 -j WHATEVER', 'own'],
    ['-s 10.41.0.0/16 -d 10.41.9.0/24 -j RETURN', 'own'],
    ['-m mark --mark 0x4000/0x4000 -j RETURN', 'shared'],
    ['-m mark --mark 0x4000 -j RETURN', 'shared'],
    ['-m mark --mark 0x4000/0x4000 -j ACCEPT', 'foreign'],
    // Another network's, although it names ours as a destination.
    ['-s 10.43.0.0/16 -d 10.42.0.0/16 -j RETURN', 'foreign'],
    ['-s 10.43.0.0/16 -j ACCEPT', 'foreign'],
    ['-s 10.42.0.0/17 -j ACCEPT', 'foreign'],
    ['-d 10.42.1.0/24 -j ACCEPT', 'foreign'],
    ['! -d 10.42.0.0/16 -j ACCEPT', 'foreign'],
    ['-j ACCEPT', 'foreign'],
  ] as const)('%s: %s', (spec, owner) => {
    expect(ruleOwner(readXtRule(spec, 4).shape, ours)).toBe(owner);
  });
});

describe('the networks that rules were written for', () => {
  it.each([
    [['-s 10.42.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE'], ['10.42.0.0/16']],
    [['! -s 10.42.0.0/16 -d 10.42.0.0/16 -j MASQUERADE --random-fully'], ['10.42.0.0/16']],
    [['-s 10.42.0.0/16 -j ACCEPT', '-d 10.42.0.0/16 -j ACCEPT'], ['10.42.0.0/16']],
    [
      ['-s 10.42.0.0/16 -j ACCEPT', '-d 10.43.0.0/16 -j ACCEPT'],
      ['10.42.0.0/16', '10.43.0.0/16'],
    ],
    // Subnets, excluded networks, and what is turned round without a source say nothing.
    [['-s 10.42.1.0/24 -d 10.42.0.0/16 -j RETURN', '-s 10.42.0.0/16 -d 172.16.0.0/12 -j RETURN'], []],
    [['! -d 10.42.0.0/16 -j ACCEPT', '-j ACCEPT', '-m mark --mark 0x4000/0x4000 -j RETURN', '-j DROP'], []],
  ])('%j: %j', (specs, networks) => {
    const shapes = specs.map((spec) => readXtRule(spec, 4).shape);
    expect(networksSpokenOf(4, shapes).map(String)).toEqual(networks);
  });
});

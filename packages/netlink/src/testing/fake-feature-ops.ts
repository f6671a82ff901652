import type { LinkFeature } from '@tartan/core';
import { Refusal, type FakeLink, type FakeTables } from './fake-tables';

/** A feature as the fake keeps it. Whether it is active follows from the others. */
export interface FakeFeature {
  wanted: boolean;
  readonly changeable: boolean;
}

const ON: FakeFeature = { wanted: true, changeable: true };
const FIXED_OFF: FakeFeature = { wanted: false, changeable: false };
const names = {
  'rx-checksum': ON,
  'rx-gro': ON,
  'tx-scatter-gather': ON,
  'tx-checksum-ip-generic': ON,
  'tx-checksum-ipv4': FIXED_OFF,
  'tx-checksum-ipv6': FIXED_OFF,
  'tx-generic-segmentation': ON,
  'tx-tcp-segmentation': ON,
  'tx-tcp6-segmentation': ON,
};

/** A segment needs a checksum of its own, and is cut out of pieces: netdev_fix_features() in net/core/dev.c, v6.1. */
const needs: Readonly<Record<string, readonly string[]>> = {
  'tx-generic-segmentation': ['tx-scatter-gather'],
  'tx-tcp-segmentation': ['tx-scatter-gather', 'tx-checksum-ip-generic'],
  'tx-tcp6-segmentation': ['tx-scatter-gather', 'tx-checksum-ip-generic'],
};

/** What a new device has; the features of lo are fixed. */
export function initialFeatures(loopback: boolean): Map<string, FakeFeature> {
  return new Map(
    Object.entries(names).map(([name, { wanted, changeable }]) => [
      name,
      { wanted, changeable: changeable && !loopback },
    ]),
  );
}

export function viewFeatures({ features }: FakeLink): Map<string, LinkFeature> {
  return new Map([...features].map(([name, feature]) => [name, { ...feature, active: isActive(features, name) }]));
}

/** ETHTOOL_MSG_FEATURES_SET. An unknown name spoils all of it, a fixed feature only itself. */
export function setFeatures(tables: FakeTables, ifindex: number, wanted: Readonly<Record<string, boolean>>): void {
  const link = tables.link(ifindex);
  const before = activeNames(link);
  const asked = Object.entries(wanted).map(([name, on]) => ({ name, on, feature: known(link, name) }));
  for (const { feature, on } of asked) if (feature.changeable) feature.wanted = on;
  if (activeNames(link) !== before) tables.emitLink(link, 'new', { featuresChanged: true });
  const fixed = asked.filter(({ feature, on }) => !feature.changeable && feature.wanted !== on);
  if (fixed.length > 0) {
    throw new Refusal('EOPNOTSUPP', `fixed on this device: ${fixed.map(({ name }) => name).join(', ')}`);
  }
}

function known({ features }: FakeLink, name: string): FakeFeature {
  const feature = features.get(name);
  if (!feature) throw new Refusal('EOPNOTSUPP', 'bit name not found');
  return feature;
}

function isActive(features: FakeLink['features'], name: string): boolean {
  return features.get(name)?.wanted === true && (needs[name] ?? []).every((other) => isActive(features, other));
}

function activeNames({ features }: FakeLink): string {
  return [...features.keys()].filter((name) => isActive(features, name)).join(' ');
}

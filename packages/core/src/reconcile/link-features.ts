import { isTartanError } from '../errors';
import type { Link, LinkFeature, RtNetlink } from '../netlink';
import type { PlannedOp } from './delta-parts';
import type { DesiredIndex } from './desired-index';
import type { DesiredLink, Finding } from './kernel-state';
import type { FailedOp } from './op-record';

/*
 * Features of our devices (offloads, `ethtool -K`). They are asserted as soon as a device is there and before anything is put on it, so
 * that no packet to a peer leaves with others. Only links that ask for features are looked at: each costs one request.
 *
 * What cannot be had (no such feature, fixed by the driver, a kernel without the interface) is a finding and nothing more: the device
 * works all the same, and trying again would change nothing.
 */

export interface FeaturePlan {
  readonly planned: readonly PlannedOp[];
  /** Devices whose features could not be read, for a reason that may pass. */
  readonly failed: readonly FailedOp[];
  readonly findings: readonly Finding[];
}

type Features = NonNullable<DesiredLink['features']>;

/** `links` are as they are now, so a device that was just made is among them. */
export async function planFeatures(
  netlink: RtNetlink,
  index: DesiredIndex,
  links: readonly Link[],
): Promise<FeaturePlan> {
  const plans: FeaturePlan[] = [];
  for (const desired of index.links.values()) {
    const link = links.find(({ name, kind }) => name === desired.name && kind === desired.kind);
    if (link && desired.features) plans.push(await planLink(netlink, link, desired.features));
  }
  return {
    planned: plans.flatMap(({ planned }) => planned),
    failed: plans.flatMap(({ failed }) => failed),
    findings: plans.flatMap(({ findings }) => findings),
  };
}

async function planLink(netlink: RtNetlink, link: Link, wanted: Features): Promise<FeaturePlan> {
  try {
    return featureDelta(link, wanted, await netlink.listLinkFeatures(link.index));
  } catch (error) {
    if (!isTartanError(error, 'KERNEL_REFUSED', 'KERNEL_SOCKET')) throw error;
    const nothing: FeaturePlan = { planned: [], failed: [], findings: [] };
    // Deleted meanwhile: its notification starts another pass.
    if (error.data.errnoName === 'ENODEV') return nothing;
    if (error.data.errnoName === 'EOPNOTSUPP') return { ...nothing, findings: [unsupported(link.name, wanted)] };
    return { ...nothing, failed: [{ ...about(link.name), operation: 'list-link-features', error }] };
  }
}

/** What is to be set on one device, and what cannot be had. Pure. */
export function featureDelta(
  { index, name }: Pick<Link, 'index' | 'name'>,
  wanted: Features,
  actual: ReadonlyMap<string, LinkFeature>,
): FeaturePlan {
  const changes: Record<string, boolean> = {};
  const findings: Finding[] = [];
  for (const [feature, on] of Object.entries(wanted)) {
    const found = actual.get(feature);
    if (found?.changeable === true && found.wanted !== on) changes[feature] = on;
    else if (found?.active !== on) findings.push(unavailable(name, feature, on, found));
  }
  const op = { op: 'link-features', ifindex: index, features: changes } as const;
  return { planned: Object.keys(changes).length > 0 ? [{ ...about(name), op }] : [], failed: [], findings };
}

function about(name: string): Pick<PlannedOp, 'kind' | 'key' | 'subject' | 'ifname'> & { readonly ifname: string } {
  return { kind: 'feature', key: `features ${name}`, subject: `features of ${name}`, ifname: name };
}

function unavailable(link: string, feature: string, on: boolean, found: LinkFeature | undefined): Finding {
  return {
    severity: 'warning',
    code: 'LINK_FEATURE_UNAVAILABLE',
    subject: `${feature} of ${link}`,
    message: `cannot be turned ${on ? 'on' : 'off'}: ${obstacle(found)}`,
    cure: `The device works all the same. "ethtool -k ${link}" shows what it can do.`,
  };
}

function obstacle(found: LinkFeature | undefined): string {
  if (!found) return 'this kernel knows no such feature';
  return found.changeable ? 'another feature that it depends on stands in the way' : 'its driver has it fixed';
}

function unsupported(link: string, wanted: Features): Finding {
  const words = Object.entries(wanted).map(([feature, on]) => `${feature} ${on ? 'on' : 'off'}`);
  return {
    severity: 'warning',
    code: 'LINK_FEATURES_UNSUPPORTED',
    subject: link,
    message:
      'features of devices cannot be set: the kernel is older than 5.8, and the native addon for older ones is missing',
    cure: `By hand, and again whenever the device was made anew: ethtool -K ${link} ${words.join(' ')}`,
  };
}

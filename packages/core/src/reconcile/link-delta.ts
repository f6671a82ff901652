import type { IpAddress } from '../ip';
import type { Link, LinkChange, LinkSpec, VxlanChange, VxlanData } from '../netlink';
import { sameAddress, type DeltaContext, type KindDelta, type PlannedOp, type WaitingObject } from './delta-parts';
import type { DesiredLink, Finding } from './kernel-state';

/*
 * Devices of ours: made when missing, changed in place where the kernel can, made anew where it cannot (a vxlan device's
 * VNI, port, GBP flag and address family are fixed at birth, and what a kernel says it does not support to change). A device is never deleted because a plan does not name it: `cleanup`
 * does that. One of another kind that bears our name belongs to somebody else and is reported. A TUN that is missing is waited for.
 */

export function linkDelta(context: DeltaContext): KindDelta {
  const adds: PlannedOp[] = [];
  const waiting: WaitingObject[] = [];
  const findings: Finding[] = [];
  for (const desired of context.index.links.values()) {
    const spec = resolveSpec(desired, context);
    const existing = context.linkByName.get(desired.name);
    if (!spec) {
      waiting.push({ key: linkKey(desired.name), ifname: desired.vxlan?.lowerIfname ?? '', reason: 'missing' });
    } else if (!existing) {
      if (isCreatable(spec)) adds.push(linkOp(desired.name, { op: 'link-create', link: spec }));
      else waiting.push({ key: linkKey(desired.name), ifname: desired.name, reason: 'missing' });
    } else if (existing.kind !== desired.kind) {
      findings.push(linkConflict(desired, existing));
    } else if (isCreatable(spec) && !sameIdentity(existing.vxlan, spec.vxlan)) {
      adds.push(linkOp(desired.name, { op: 'link-delete', ifindex: existing.index }));
      adds.push(linkOp(desired.name, { op: 'link-create', link: spec }));
    } else {
      const change = linkChange(existing, spec);
      if (change) adds.push(linkOp(desired.name, { op: 'link-change', ifindex: existing.index, change }));
    }
  }
  return { adds, deletes: [], waiting, findings };
}

/** For devices that the kernel would not change in place, by their keys: each made anew, as it must be. */
export function linkRecreation(context: DeltaContext, keys: ReadonlySet<string>): PlannedOp[] {
  return [...context.index.links.values()].flatMap((desired) => {
    const [spec, existing] = [resolveSpec(desired, context), context.linkByName.get(desired.name)];
    if (!keys.has(linkKey(desired.name)) || !spec || !isCreatable(spec) || existing?.kind !== desired.kind) return [];
    return [
      linkOp(desired.name, { op: 'link-delete', ifindex: existing.index }),
      linkOp(desired.name, { op: 'link-create', link: spec }),
    ];
  });
}

function linkKey(name: string): string {
  return `link ${name}`;
}

function linkOp(name: string, op: PlannedOp['op']): PlannedOp {
  return { op, kind: 'link', key: linkKey(name), subject: linkKey(name), ifname: name };
}

type ResolvedLink = Omit<LinkSpec, 'kind'> & Pick<DesiredLink, 'kind'>;

function isCreatable(spec: ResolvedLink): spec is LinkSpec {
  return spec.kind !== 'tun';
}

/** The spec with the lower device's name resolved; undefined while that device is missing. */
function resolveSpec(desired: DesiredLink, context: DeltaContext): ResolvedLink | undefined {
  const { vxlan, ...rest } = withoutFeatures(desired);
  if (!vxlan) return rest;
  const { lowerIfname, ...data } = vxlan;
  if (lowerIfname === undefined) return { ...rest, vxlan: data };
  const lower = context.linkByName.get(lowerIfname);
  return lower && { ...rest, vxlan: { ...data, lowerIndex: lower.index } };
}

/** Features are asserted by themselves, see link-features.ts. */
function withoutFeatures(desired: DesiredLink): Omit<DesiredLink, 'features'> {
  const spec: { -readonly [Member in keyof DesiredLink]: DesiredLink[Member] } = { ...desired };
  delete spec.features;
  return spec;
}

/** What cannot be changed on a living vxlan device, see VxlanChange. */
function sameIdentity(actual: VxlanData | undefined, desired: VxlanData | undefined): boolean {
  if (!desired) return true;
  if (!actual) return false;
  return (
    actual.vni === desired.vni &&
    actual.port === desired.port &&
    actual.gbp === desired.gbp &&
    (actual.l2miss ?? false) === (desired.l2miss ?? false) &&
    (actual.l3miss ?? false) === (desired.l3miss ?? false) &&
    sameFamily(actual.local, desired.local) &&
    sameAddress(actual.group, desired.group)
  );
}

/** A device without local address is an IPv4 one. */
function sameFamily(actual: IpAddress | undefined, desired: IpAddress | undefined): boolean {
  return (actual?.family ?? 4) === (desired?.family ?? 4);
}

/** The members in which a link differs and that can be changed on it; undefined when there are none. */
function linkChange(link: Link, spec: ResolvedLink): LinkChange | undefined {
  const vxlan = vxlanChange(link.vxlan, spec.vxlan);
  const change: LinkChange = {
    ...(spec.mtuBytes !== undefined && spec.mtuBytes !== link.mtuBytes && { mtuBytes: spec.mtuBytes }),
    ...(spec.mac && !(link.mac && spec.mac.equals(link.mac)) && { mac: spec.mac }),
    ...(spec.up !== undefined && spec.up !== link.up && { up: spec.up }),
    ...(differs(spec.addrGenMode, link.addrGenMode) && { addrGenMode: spec.addrGenMode as number }),
    ...(spec.masterIndex !== undefined &&
      spec.masterIndex !== (link.masterIndex ?? 0) && { masterIndex: spec.masterIndex }),
    ...(vxlan && { vxlan }),
  };
  return Object.keys(change).length > 0 ? change : undefined;
}

function vxlanChange(actual: VxlanData | undefined, desired: VxlanData | undefined): VxlanChange | undefined {
  if (!actual || !desired) return undefined;
  const { learning, local, lowerIndex } = desired;
  const change: VxlanChange = {
    ...(learning !== actual.learning && { learning }),
    ...(local && !sameAddress(actual.local, local) && { local }),
    ...(lowerIndex !== undefined && lowerIndex !== actual.lowerIndex && { lowerIndex }),
  };
  return Object.keys(change).length > 0 ? change : undefined;
}

function differs(wanted: number | undefined, actual: number | undefined): boolean {
  return wanted !== undefined && actual !== undefined && wanted !== actual;
}

function linkConflict(desired: DesiredLink, existing: Link): Finding {
  return {
    severity: 'error',
    code: 'LINK_CONFLICT',
    subject: desired.name,
    message: `the device must be of kind ${desired.kind}, but one of kind ${existing.kind ?? 'none (hardware)'} has its name`,
    cure: `If nothing needs it: ip link del ${desired.name}`,
  };
}

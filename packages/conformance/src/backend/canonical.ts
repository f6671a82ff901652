import type { DesiredRoute, IpPrefix, KernelState, Plan } from '@tartan/core';

/** Everything a plan says, as sorted lines: two plans that mean the same have the same text. */
export function canonicalPlan({ desired, ownership, findings, dataPath }: Plan): string[] {
  return [
    ...canonicalState(desired),
    ...ownership.adoptRoutesVia.map((address) => `adopt via ${address.toString()}`),
    ...ownership.devices.map((device) => `device ${device}`),
    `data path ${stableJson(dataPath ?? null)}`,
    ...findings.map((finding) => `finding ${stableJson(finding)}`),
  ].sort();
}

export function canonicalState(desired: KernelState): string[] {
  return Object.entries(desired).flatMap(([kind, objects]) =>
    (objects as readonly unknown[]).map((object) => `${kind} ${stableJson(object)}`),
  );
}

/** JSON with sorted members; addresses are their text. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

/** True when some desired route takes packets for all of `subnet`. */
export function reaches({ desired }: Plan, subnet: IpPrefix | null): boolean {
  const takes = ({ dst, type = 'unicast' }: DesiredRoute): boolean =>
    type === 'unicast' && dst.contains(subnet as IpPrefix);
  return subnet === null || desired.routes.some(takes);
}

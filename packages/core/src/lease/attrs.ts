import type { Json, LeaseAttrs, OwnerIdentity } from './lease';

/** What we publish on a lease: our attributes, signed, and the members of others that stood there before. */
export function signAttrs(attrs: LeaseAttrs, identity: OwnerIdentity, before?: LeaseAttrs): LeaseAttrs {
  const extra = { ...before?.extra, ...attrs.extra };
  const signed = { ...attrs, owner: identity };
  return Object.keys(extra).length > 0 ? { ...signed, extra } : signed;
}

/** True when both would be written alike; member order does not count. */
export function equalAttrs(a: LeaseAttrs, b: LeaseAttrs): boolean {
  return canonical(comparable(a)) === canonical(comparable(b));
}

function comparable(attrs: LeaseAttrs): Json {
  const { publicIP, publicIPv6, backendType, backendData, backendV6Data, owner, extra } = attrs;
  return [
    publicIP.toString(),
    publicIPv6?.toString() ?? null,
    backendType,
    backendData === undefined ? [] : [backendData],
    backendV6Data === undefined ? [] : [backendV6Data],
    owner ? [owner.node, owner.machine ?? null] : [],
    { ...extra },
  ];
}

function canonical(json: Json): string {
  if (Array.isArray(json)) return `[${json.map(canonical).join()}]`;
  if (json === null || typeof json !== 'object') return JSON.stringify(json);
  const members = Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${canonical(value)}`).join()}}`;
}

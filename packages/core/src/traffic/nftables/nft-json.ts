/** Any object of nft's JSON (libnftables-json(5)). */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The only member of an object that has just one: how nft writes statements and expressions. */
export function onlyMember(value: unknown): readonly [name: string, content: unknown] | undefined {
  const entries = isObject(value) ? Object.entries(value) : [];
  return entries.length === 1 ? entries[0] : undefined;
}

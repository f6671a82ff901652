/** Any JSON object. */
export type JsonObject = Record<string, unknown>;

/** Lists that are merged by a key of their elements (patchMergeKey in k8s.io/api/core/v1, Node and NodeStatus). */
const MERGE_KEYS: Readonly<Record<string, string>> = { conditions: 'type', addresses: 'type', taints: 'key' };

/** A strategic-merge patch as the API server applies it to a Node: null deletes, objects and keyed lists merge, the rest replaces. */
export function strategicMerge(target: JsonObject, patch: JsonObject): JsonObject {
  const result = new Map(Object.entries(target));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, mergeMember(name, result.get(name), value));
  }
  return Object.fromEntries(result);
}

function mergeMember(name: string, present: unknown, value: unknown): unknown {
  if (isObject(value)) return strategicMerge(isObject(present) ? present : {}, value);
  const key = MERGE_KEYS[name];
  return Array.isArray(value) && key !== undefined ? mergeList(present, value, key) : value;
}

function mergeList(present: unknown, patch: readonly unknown[], key: string): unknown[] {
  const merged = Array.isArray(present) ? [...(present as JsonObject[])] : [];
  for (const item of patch as JsonObject[]) {
    const at = merged.findIndex((other) => other[key] === item[key]);
    if (at < 0) merged.push(item);
    else merged[at] = strategicMerge(merged[at] as JsonObject, item);
  }
  return merged;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

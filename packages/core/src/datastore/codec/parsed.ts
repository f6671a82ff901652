/** What a reader of foreign text returns: bad input is data, not an exception, because one bad entry never stops the others. */
export type Parsed<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly reason: string };

export function accepted<Value>(value: Value): Parsed<Value> {
  return { ok: true, value };
}

export function rejected(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

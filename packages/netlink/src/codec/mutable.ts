/** A contract's type while it is being filled in. */
export type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** Sets a member that was there on the wire. Dumps hold thousands of objects, which is why they are filled in, not spread. */
export function put<Target, Key extends keyof Target>(target: Target, key: Key, value: Target[Key] | undefined): void {
  if (value !== undefined) target[key] = value;
}

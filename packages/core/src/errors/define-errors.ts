/** One line of the error table: what a code says, why it happens and what cures it. */
export interface ErrorDefinition<Data> {
  /** The one line an operator sees; built from the typed data, never from another error's text. */
  message(data: Data): string;
  /** Why this happens, for docs/errors.md. */
  readonly cause: string;
  /** What to do about it, for docs/errors.md. */
  readonly cure: string;
}

/** Helps each domain file state its part of the table with the data's type inferred per code. */
export function defineErrors<Table extends Record<string, ErrorDefinition<never>>>(table: Table): Table {
  return table;
}

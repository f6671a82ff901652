/*
 * One table describes every option; the parser, --help, the reading of environment variables and of the options file, the
 * start-up log and docs/options.md are all made from it, so none of them can say something else than the others.
 */

/** The headings of --help and docs/options.md, in this order. */
export const optionSections = [
  'General',
  'Datastore',
  'Lease',
  'External interface',
  'Backend',
  'Files',
  'Health and metrics',
  'Logging',
  'Traffic rules',
  'Kubernetes',
] as const;

export type OptionSection = (typeof optionSections)[number];

/** Why a flag that is accepted does nothing: it comes in a `later` version, or it is `never` needed here. */
export interface Inert {
  readonly kind: 'later' | 'never';
  readonly note: string;
}

/** What every option states, whatever its type. */
export interface OptionFacts {
  readonly section: OptionSection;
  /** Plain sentences; numbers name their unit. */
  readonly help: string;
  /** Word for the value in --help, such as PATH. */
  readonly placeholder?: string;
  /** `flannel`: same name, type and default as the original, and also read from FLANNELD_*. */
  readonly origin?: 'flannel' | 'tartan';
  /** Differences from the original that its users should know. */
  readonly note?: string;
  /** Further variables, read after TARTAND_* and FLANNELD_*. False: not read from the environment nor from the file. */
  readonly env?: readonly string[] | false;
  /** The value never appears in a log, an error or a page. */
  readonly secret?: boolean;
  readonly inert?: Inert;
  /** One-letter alias. */
  readonly short?: string;
}

export interface OptionDefinition<T> extends OptionFacts {
  readonly type: 'string' | 'integer' | 'boolean' | 'list' | 'choice' | 'duration';
  readonly default: T;
  /** Completes "expected ...". */
  readonly expected: string;
  /** The value that `text` stands for, undefined when it stands for none. A list gets one occurrence at a time. */
  parse(text: string): T | undefined;
  /** The text that parse() would read back; empty for "not set". */
  format(value: T): string;
}

export type OptionTable = Readonly<Record<string, OptionDefinition<unknown>>>;

type ValueOf<Definition> = Definition extends OptionDefinition<infer T> ? T : never;

/** `etcd-prefix` → `etcdPrefix`. */
export type PropertyName<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<PropertyName<Tail>>}`
  : Name;

/** The typed result of parsing `Table`. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table & string as PropertyName<Name>]: ValueOf<Table[Name]>;
};

export type OptionSource =
  | { readonly kind: 'default' }
  | { readonly kind: 'command line' }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'file'; readonly path: string };

export function propertyName<Name extends string>(name: Name): PropertyName<Name> {
  return name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) as PropertyName<Name>;
}

/** The environment variables of an option, the first one that is set and not empty wins. */
export function environmentNames(name: string, definition: OptionFacts): readonly string[] {
  if (definition.env === false) return [];
  const suffix = name.toUpperCase().replaceAll('-', '_');
  const original = definition.origin === 'flannel' ? [`FLANNELD_${suffix}`] : [];
  return [`TARTAND_${suffix}`, ...original, ...(definition.env ?? [])];
}

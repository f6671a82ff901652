import {
  optionSections,
  environmentNames,
  type OptionDefinition,
  type OptionSection,
  type OptionTable,
} from './option';

/** One option as --help and docs/options.md show it. */
export interface OptionEntry {
  readonly name: string;
  /** `--iface NAME_OR_IP`, `-h, --help`. */
  readonly usage: string;
  readonly definition: OptionDefinition<unknown>;
  /** Text of the default, undefined when there is none to speak of. */
  readonly defaultText: string | undefined;
  readonly environment: readonly string[];
}

/** The table by section, in the order of the sections, options in the order of the table. */
export function optionEntries(table: OptionTable): { section: OptionSection; entries: OptionEntry[] }[] {
  const all = Object.entries(table).map(([name, definition]) => ({
    name,
    usage: usageOf(name, definition),
    definition,
    defaultText: definition.format(definition.default) || undefined,
    environment: environmentNames(name, definition),
  }));
  return optionSections
    .map((section) => ({ section, entries: all.filter(({ definition }) => definition.section === section) }))
    .filter(({ entries }) => entries.length > 0);
}

/** What to know about an option that does nothing, as one sentence or two. */
export function inertText({ inert }: OptionDefinition<unknown>): string | undefined {
  if (!inert) return undefined;
  return `${inert.kind === 'later' ? 'Accepted, without effect so far' : 'Accepted, without effect'}: ${lowerFirst(inert.note)}`;
}

function usageOf(name: string, { short, type, placeholder, default: preset }: OptionDefinition<unknown>): string {
  const switchValue = preset === true ? '[=false]' : '';
  const value = type === 'boolean' ? switchValue : ` ${placeholder ?? 'TEXT'}`;
  return `${short === undefined ? '' : `-${short}, `}--${name}${value}`;
}

function lowerFirst(sentence: string): string {
  return /^(?:It|This) /.test(sentence) ? sentence.charAt(0).toLowerCase() + sentence.slice(1) : sentence;
}

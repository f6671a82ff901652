import { TartanError } from '../../errors';
import { describeNode, JsonSyntaxError, parseJsonText, type JsonMember, type JsonNode } from '../json-text';
import { nearestName } from '../nearest-name';
import { showText } from '../show-value';
import type { OptionDefinition, OptionTable } from './option';
import type { Occurrence } from './option-occurrence';

/** Reads a whole text file, or throws. */
export type ReadFile = (path: string) => string;

/**
 * What the options file gives: one JSON object of option names and values. Texts, numbers and booleans are taken as on the
 * command line, arrays give the items of a list.
 *
 * Throws OPTION_FILE_UNREADABLE, OPTION_UNKNOWN, OPTION_INVALID.
 */
export function readOptionsFile(table: OptionTable, path: string, readFile: ReadFile): Occurrence[] {
  const root = parseFile(path, readFile);
  if (root.kind !== 'object') throw unreadable(path, `it holds ${describeNode(root)}, expected an object`);
  const seen = new Set<string>();
  return root.members.flatMap((member) => {
    if (seen.has(member.name)) throw unreadable(path, `${showText(member.name)} stands there twice`);
    seen.add(member.name);
    return readMember(findDefinition(table, member.name, path), member, path);
  });
}

function parseFile(path: string, readFile: ReadFile): JsonNode {
  try {
    return parseJsonText(readFile(path));
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw unreadable(path, error.message, error);
    throw unreadable(path, error instanceof Error ? error.message : String(error), error);
  }
}

function findDefinition(table: OptionTable, name: string, path: string): OptionDefinition<unknown> {
  const definition = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!definition) {
    const nearest = nearestName(name, Object.keys(table));
    throw new TartanError('OPTION_UNKNOWN', {
      option: showText(name),
      source: `in ${path}`,
      ...(nearest === undefined ? {} : { nearest: showText(nearest) }),
    });
  }
  if (definition.env === false || name === 'config') {
    throw unreadable(path, `${name} can be given on the command line only`);
  }
  return definition;
}

function readMember(definition: OptionDefinition<unknown>, member: JsonMember, path: string): Occurrence[] {
  const { name, value } = member;
  const nodes = value.kind === 'array' && definition.type === 'list' ? value.items : [value];
  return nodes.map((node) => {
    const text = scalarText(node);
    if (text === undefined) {
      throw new TartanError('OPTION_INVALID', {
        option: name,
        value: describeNode(node),
        expected: definition.expected,
        source: `in ${path}, line ${node.line}`,
      });
    }
    return { name, text, source: { kind: 'file', path }, spelling: name };
  });
}

function scalarText(node: JsonNode): string | undefined {
  if (node.kind === 'number') return node.text;
  return node.kind === 'string' || node.kind === 'boolean' ? String(node.value) : undefined;
}

function unreadable(path: string, reason: string, cause?: unknown): TartanError {
  return new TartanError('OPTION_FILE_UNREADABLE', { path, reason }, cause === undefined ? {} : { cause });
}

import type { OptionTable } from './option';
import { inertText, optionEntries, type OptionEntry } from './option-texts';

const WIDTH = 100;
const INDENT = 2;
/** Column of the explanations; a longer usage gets a line of its own. */
const COLUMN = 34;
/** A space at which no line is broken. */
const GLUE = '\u00a0';

/** The text of --help: usage and introduction, then the options by section, no line wider than 100 columns unless one word is. */
export function renderHelp(table: OptionTable, { usage, intro }: { usage: string; intro: string }): string {
  const sections = optionEntries(table).map(({ section, entries }) =>
    [`${section}:`, ...entries.flatMap(entryLines)].join('\n'),
  );
  return `${[usage, wrap(intro, WIDTH).join('\n'), ...sections].join('\n\n')}\n`;
}

function entryLines(entry: OptionEntry): string[] {
  const usage = ' '.repeat(INDENT) + entry.usage;
  const paragraphs = [explanation(entry), facts(entry)].filter(Boolean);
  const text = paragraphs
    .flatMap((paragraph) => wrap(paragraph, WIDTH - COLUMN))
    .map((line) => ' '.repeat(COLUMN) + line);
  const [first = '', ...rest] = text;
  if (usage.length > COLUMN - 2) return [usage, ...text];
  return [usage + first.slice(usage.length), ...rest];
}

function explanation({ definition }: OptionEntry): string {
  return [definition.help, definition.note, inertText(definition)].filter(Boolean).join(' ');
}

function facts({ definition, defaultText, environment }: OptionEntry): string {
  const shown = definition.secret ? undefined : defaultText;
  const parts = [
    ...(shown === undefined || definition.env === false ? [] : [`default:${GLUE}${shown}`]),
    ...(environment.length === 0 ? [] : [`env:${GLUE}${environment.join(', ')}`]),
  ];
  return parts.length === 0 ? '' : `[${parts.join('; ')}]`;
}

/** Breaks at spaces; a word longer than `width` stays whole. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((broken) => broken.replaceAll(GLUE, ' '));
}

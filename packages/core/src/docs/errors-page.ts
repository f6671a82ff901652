import { errorTable, type ErrorCode } from '../errors';
import type { ErrorDefinition } from '../errors/define-errors';
import { bullets, code, page } from './page';

const INTRO = `Every error that Tartan raises on purpose has a code, which log lines carry in the field ${code('code')}. Codes are stable;
the texts of the messages may change in any release. ${code('<name>')} stands for a value, and parts of a message may be absent.`;

/** docs/errors.md. */
export function renderErrorsPage(): string {
  const codes = (Object.keys(errorTable) as ErrorCode[]).sort();
  return page('Errors', 'the error table in packages/core/src/errors/', [INTRO, ...codes.flatMap(codeBlocks)]);
}

function codeBlocks(name: ErrorCode): string[] {
  const definition: ErrorDefinition<never> = errorTable[name];
  const message = sampleMessage(definition);
  return [
    `## ${name}`,
    bullets([
      message === undefined ? undefined : `Message: ${code(message)}`,
      `Cause: ${definition.cause}`,
      `Cure: ${definition.cure}`,
    ]),
  ];
}

/** The message with `<name>` for every value; undefined where it cannot be shown that way. */
export function sampleMessage(definition: ErrorDefinition<never>): string | undefined {
  const data = new Proxy({}, { get: (_, member) => placeholder(`<${String(member)}>`) });
  try {
    const message = definition.message(data as never);
    return /undefined|NaN|\[object/.test(message) ? undefined : message.replaceAll('`', "'");
  } catch {
    return undefined;
  }
}

/** Prints as `text`, whatever a message does with it: joining, mapping, slicing, spreading (which gives nothing). */
function placeholder(text: string): unknown {
  return new Proxy(() => placeholder(text), {
    get: (_, member) => {
      if (member === Symbol.toPrimitive || member === 'toString') return () => text;
      if (member === Symbol.iterator) return () => [][Symbol.iterator]();
      return placeholder(text);
    },
  });
}

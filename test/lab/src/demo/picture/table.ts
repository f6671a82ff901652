import { padRight, widthOf, type Ink } from './ink';

/** Columns as wide as their widest cell, two blanks between them, the head dimmed. */
export function drawTable(ink: Ink, head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) =>
    Math.max(...[title, ...rows.map((row) => row[column] ?? '')].map(widthOf)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => padRight(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [ink.dim(line(head)), ...rows.map(line)];
}

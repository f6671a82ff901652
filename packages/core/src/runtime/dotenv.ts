const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$/;

/**
 * Reads `NAME=value` lines the way shells, systemd and dotenv readers agree on: quotes, `export`, comments, CRLF. Lines that
 * are no assignment are skipped; of a name given twice the last counts. Nothing is expanded.
 */
export function parseDotenv(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    const [, name, value] = ASSIGNMENT.exec(line) ?? [];
    if (name !== undefined && value !== undefined) values.set(name, unquote(value));
  }
  return values;
}

function unquote(value: string): string {
  const quoted = /^(["'])(.*?)\1\s*(?:#.*)?$/.exec(value);
  return quoted?.[2] ?? value.replace(/(?:^|\s+)#.*$/, '').trimEnd();
}

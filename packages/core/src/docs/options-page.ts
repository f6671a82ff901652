import { daemonOptionTable } from '../config/options';
import { inertText, optionEntries, type OptionEntry } from '../config/options/option-texts';
import { bullets, code, page } from './page';

const INTRO = [
  `An option is given on the command line, in the environment, or in a JSON file named by ${code('--config')}. The command line wins
over the environment, the environment over the file, the file over the default. ${code('tartand --help')} shows the same list.`,
  `- One dash or two, ${code('--x=VALUE')} or ${code('--x VALUE')}. A switch is turned on by its name alone and takes a value only behind
  ${code('=')}: ${code('--ip-masq=false')}. True is ${code('1 t T true TRUE True')}, false is ${code('0 f F false FALSE False')}.
- A word that belongs to no option, an unknown option or a bad value, wherever it stands, ends tartand with one line on
  standard error and exit status 2.
- The environment variable of an option is ${code('TARTAND_')} and its name in capitals with underscores. Options that flannel has too
  are also read from ${code('FLANNELD_')}, which ${code('TARTAND_')} wins over. An empty variable counts as not set.
- Integers may be written as ${code('24')}, ${code('0x18')}, ${code('0b11000')}, ${code('0o30')} or ${code('030')}. Durations are ${code('500ms')}, ${code('90s')}, ${code('1m30s')}, ${code('24h')};
  a bare number means seconds.
- The file is one JSON object of option names without dashes:`,
  ['```json', '{ "etcd-endpoints": ["https://10.0.0.1:2379"], "etcd-prefix": "/tartan", "ip-masq": true }', '```'].join(
    '\n',
  ),
];

/** docs/options.md. */
export function renderOptionsPage(): string {
  const sections = optionEntries(daemonOptionTable).flatMap(({ section, entries }) => [
    `## ${section}`,
    ...entries.flatMap(entryBlocks),
  ]);
  return page('Options of tartand', 'the option table in packages/core/src/config/options/', [...INTRO, ...sections]);
}

function entryBlocks({ usage, definition, defaultText, environment }: OptionEntry): string[] {
  const { help, note, type, expected, origin, secret } = definition;
  const text = [help, note].filter(Boolean).join(' ');
  const facts = [
    `Type: ${type}${type === 'list' ? ', repeatable' : ''}`,
    expected === 'a text' || type === 'boolean' ? undefined : `Expected: ${expected}`,
    defaultText === undefined ? undefined : `Default: ${code(defaultText)}`,
    environment.length === 0 ? 'Command line only' : `Environment: ${environment.map(code).join(', ')}`,
    origin === 'flannel' ? 'Also an option of flannel' : undefined,
    secret ? 'Secret: never logged' : undefined,
    inertText(definition),
  ];
  return [`### ${code(usage)}`, text, bullets(facts)];
}

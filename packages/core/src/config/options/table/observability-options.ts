import { Ipv4Address, parseIpAddress, type IpAddress } from '../../../ip';
import { choiceOption, integerOption, parsedOption, textOption } from '../option-kinds';

export const healthOptions = {
  'healthz-ip': parsedOption<IpAddress>({
    section: 'Health and metrics',
    origin: 'flannel',
    placeholder: 'IP',
    default: Ipv4Address.fromNumber(0),
    expected: 'an IPv4 or IPv6 address',
    help: 'Address on which /healthz, /readyz and /metrics are served.',
    parse: (text) => {
      try {
        return parseIpAddress(text);
      } catch {
        return undefined;
      }
    },
    format: String,
  }),
  'healthz-port': integerOption({
    section: 'Health and metrics',
    origin: 'flannel',
    default: 0,
    min: 0,
    max: 65_535,
    help: 'TCP port of /healthz, /readyz and /metrics. 0 turns them off.',
  }),
};

export const loggingOptions = {
  'log-format': choiceOption({
    section: 'Logging',
    choices: ['text', 'json'],
    default: 'text',
    help: 'Readable lines, or one JSON object per line.',
  }),
  'log-level': choiceOption({
    section: 'Logging',
    choices: ['error', 'warn', 'info', 'debug'],
    default: 'info',
    help: 'Least severe level that is logged.',
  }),
  v: integerOption({
    section: 'Logging',
    origin: 'flannel',
    default: 0,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    help: 'Verbosity of the original. Above 0 it means --log-level=debug, unless that is given too.',
  }),
  vmodule: klogText('Verbosity per source file of the original.'),
  log_backtrace_at: klogText('Source line of the original at which a stack is logged.'),
};

function klogText(help: string) {
  return textOption({
    section: 'Logging',
    origin: 'flannel',
    default: '',
    help,
    inert: { kind: 'never', note: 'It names source files of the original.' },
  });
}

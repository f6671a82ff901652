import { xtOptions, xtWords, type XtOption } from '../traffic/iptables/xt-words';
import type { FilterChains, FilterRule, Verdict } from './packet-walk';
import { all, any, not, truth, type Truth } from './truth';
import { comesFrom, comesInOn, goesTo, type UdpPacket } from './udp-packet';

export interface XtRuleset {
  /** Of INPUT. */
  readonly policy: 'accept' | 'drop';
  readonly chains: FilterChains;
}

/** Reads what iptables-save printed of the filter table, judged for `packet`; undefined when it has no INPUT chain. */
export function readXtRuleset(packet: UdpPacket, text: string): XtRuleset | undefined {
  const specs = new Map<string, string[]>();
  let policy: string | undefined;
  for (const line of text.split('\n')) {
    const [, kind, name = '', rest = ''] = /^(-A |:)(\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === undefined) continue;
    const lines = specs.get(name) ?? [];
    specs.set(name, lines);
    if (kind === '-A ') lines.push(rest);
    else if (name === 'INPUT') policy = rest.split(' ')[0];
  }
  if (policy === undefined) return undefined;
  const isChain = (name: string): boolean => specs.has(name);
  const chains = [...specs].map(
    ([name, lines]) => [name, lines.map((line) => readRule(packet, line, isChain))] as const,
  );
  return { policy: policy === 'DROP' ? 'drop' : 'accept', chains: new Map(chains) };
}

function readRule(packet: UdpPacket, spec: string, isChain: (name: string) => boolean): FilterRule {
  const options = xtOptions(xtWords(spec));
  const end = options.findIndex(({ name }) => name === '-j' || name === '-g');
  // What stands behind the target belongs to it.
  const matches = end === -1 ? options : options.slice(0, end);
  const applies = all(matches.map((option) => (option.not ? not(holds(packet, option)) : holds(packet, option))));
  return { applies, verdict: readVerdict(options[end], isChain) };
}

function readVerdict(option: XtOption | undefined, isChain: (name: string) => boolean): Verdict {
  const target = option?.values[0] ?? '';
  if (isChain(target)) return { kind: option?.name === '-g' ? 'goto' : 'jump', chain: target };
  switch (target) {
    case 'ACCEPT':
    case 'QUEUE':
    case 'NFQUEUE':
      return { kind: 'accept' };
    case 'DROP':
    case 'REJECT':
      return { kind: 'drop' };
    case 'RETURN':
      return { kind: 'return' };
    default:
      return { kind: 'continue' };
  }
}

/** Matches that say nothing but what their options say, which are all judged below. */
const TRANSPARENT = new Set(['udp', 'comment', 'conntrack', 'state', 'multiport', 'addrtype', 'iprange']);

function holds(packet: UdpPacket, { name, values }: XtOption): Truth {
  const [value = ''] = values;
  const items = value.split(',');
  switch (name) {
    case '-m':
      return TRANSPARENT.has(value) ? 'yes' : 'maybe';
    case '--comment':
      return 'yes';
    case '-p':
      return truth(['udp', '17', 'all', '0'].includes(value));
    case '-i':
      return comesInOn(packet, value, '+');
    case '-s':
      return comesFrom(packet, value);
    case '-d':
      return goesTo(packet, value);
    case '--src-range':
      return comesFrom(packet, rangeOf(value));
    case '--dst-range':
      return goesTo(packet, rangeOf(value));
    case '--dport':
    case '--dports':
      return any(items.map((item) => isPort(packet.port, item)));
    case '--ctstate':
    case '--state':
      return truth(items.includes('NEW'));
    case '--dst-type':
      return truth(items.includes('LOCAL'));
    default:
      return 'maybe';
  }
}

function rangeOf(text: string): { readonly first: string; readonly last: string } {
  const [first = '', last = first] = text.split('-');
  return { first, last };
}

/** `item`: 53, 53:60, :60 or 53: */
function isPort(port: number, item: string): Truth {
  const [first = '', last = first] = item.split(':');
  if (!/^\d*$/.test(first) || !/^\d*$/.test(last)) return 'maybe';
  return truth(Number(first === '' ? 0 : first) <= port && port <= Number(last === '' ? 65_535 : last));
}

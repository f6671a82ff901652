import type { IpPrefix } from '../../ip';

/** Commands to be typed in this order, as one line. */
export function commands(lines: readonly string[]): string {
  return lines.join(' && ');
}

/** Sets it now and after the next boot. */
export function sysctlCommand(path: string, value: string): string {
  const name = path.replaceAll('/', '.');
  return commands([`sysctl -w ${name}=${value}`, `echo '${name} = ${value}' >> /etc/sysctl.d/90-tartan.conf`]);
}

export function listPrefixes(prefixes: readonly IpPrefix[]): string {
  return prefixes.map(String).join(' and ');
}

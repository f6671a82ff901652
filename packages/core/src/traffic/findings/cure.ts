import type { IpPrefix } from '../../ip';

/** Commands to be typed in this order, as one line. */
export function commands(lines: readonly string[]): string {
  return lines.join(' && ');
}

/** As sysctl(8) and sysctl.d(5) spell it: dots between the parts, and a slash for a dot inside of one (`flannel/1`). */
export function sysctlName(path: string): string {
  return path.replaceAll(/[./]/g, (mark) => (mark === '/' ? '.' : '/'));
}

/** Sets it now and after the next boot. */
export function sysctlCommand(path: string, value: string): string {
  const name = sysctlName(path);
  return commands([`sysctl -w ${name}=${value}`, `echo '${name} = ${value}' >> /etc/sysctl.d/90-tartan.conf`]);
}

export function listPrefixes(prefixes: readonly IpPrefix[]): string {
  return prefixes.map(String).join(' and ');
}

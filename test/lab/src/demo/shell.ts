import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab';
import { repositoryRoot } from '../programs';

/** Stays in a shell inside the cluster until the user leaves it. */
export async function playOn(lab: Lab): Promise<void> {
  const rc = join(lab.directory, 'demo.rc');
  writeFileSync(rc, shellFunctions(lab));
  const interactive = process.stdin.isTTY;
  const argv = interactive ? ['--noprofile', '--rcfile', rc, '-i'] : ['--noprofile'];
  await new Promise<void>((resolve, reject) => {
    const shell = spawn('bash', argv, { stdio: 'inherit', env: { ...process.env, BASH_ENV: rc } });
    shell.once('error', reject);
    shell.once('close', () => resolve());
  });
}

export function shellHints(lab: Lab): string[] {
  const [first, second] = lab.hosts;
  const [pod, peer] = [first?.pods[0], second?.pods[0]];
  const hints: [command: string, meaning: string][] = [
    ['names', 'all hosts and pods'],
    [`on ${first?.name ?? ''} ip route`, 'run a command on a host or in a pod'],
    [`on ${pod?.name ?? ''} ping -c 3 ${peer?.ipv4 ?? ''}`, ''],
    [`on ${first?.name ?? ''}`, 'without a command: a shell there'],
    [`logs ${first?.name ?? ''}`, 'log of its tartand'],
  ];
  if (lab.etcdEndpoints() !== undefined) hints.push(['on switch etcdctl get --prefix /coreos.com', 'what etcd holds']);
  return [
    'You are in a shell inside the cluster. `exit` ends it and takes everything away.',
    '',
    ...hints.map(([command, meaning]) => `  ${command.padEnd(44)}${meaning}`.trimEnd()),
  ];
}

/** `on NAME COMMAND`; a host is entered with its own /run/flannel and name, so that tartanctl finds its daemon. */
function shellFunctions(lab: Lab): string {
  const prefixes = [
    ...lab.hosts.map((host) => [host.name, host.machinePrefix] as const),
    ...[...lab.pods, lab.switch].map((namespace) => [namespace.name, namespace.commandPrefix] as const),
  ];
  const logs = lab.hosts.map((host) => `    ${host.name}) cat '${host.daemons[0]?.process.logFile ?? ''}' ;;`);
  return `PATH='${join(repositoryRoot, 'bin')}':$PATH:/usr/sbin:/sbin
PS1='tartan demo> '
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS='${lab.etcdEndpoints() ?? ''}'
names() { echo ${prefixes.map(([name]) => name).join(' ')}; }
logs() {
  case "$1" in
${logs.join('\n')}
    *) echo "no host $1; try: names" >&2; return 1 ;;
  esac
}
on() {
  local name=$1 prefix
  shift
  case "$name" in
${prefixes.map(([name, prefix]) => `    ${name}) prefix=(${prefix.map((word) => `'${word}'`).join(' ')}) ;;`).join('\n')}
    *) echo "no $name; try: names" >&2; return 1 ;;
  esac
  [ $# -gt 0 ] || set -- bash --norc
  "\${prefix[@]}" "$@"
}
`;
}

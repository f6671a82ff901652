import type { LabProcess } from './lab-process';
import type { NetworkNamespace } from './network-namespace';

/** What is asked of every namespace. Commands that fail (no nft, no bridge) just say so. */
const QUESTIONS = [
  'ip -d -br address',
  'ip route show table all',
  'ip -6 route show table all',
  'ip neigh show',
  'bridge fdb show',
  'nft list ruleset',
];

/** Everything that helps to see after the fact why a lab did what it did, as text. Never rejects. */
export async function dumpState(
  namespaces: readonly NetworkNamespace[],
  processes: readonly LabProcess[],
): Promise<string> {
  const parts: string[] = [];
  for (const namespace of namespaces) {
    parts.push(`===== ${namespace.name} =====`);
    for (const question of QUESTIONS) parts.push(`$ ${question}`, await answer(namespace, question));
  }
  for (const labProcess of processes) {
    parts.push(await labProcess.tail(200).catch((error: unknown) => `--- ${labProcess.name}: ${String(error)}`));
  }
  return `${parts.join('\n')}\n`;
}

async function answer(namespace: NetworkNamespace, question: string): Promise<string> {
  try {
    const { stdout, stderr } = await namespace.run(question.split(' '), { allowFailure: true, timeoutMs: 5_000 });
    return `${stdout}${stderr}`.trimEnd();
  } catch (error) {
    return String(error);
  }
}

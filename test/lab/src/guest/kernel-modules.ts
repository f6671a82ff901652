import { LabError } from '../lab-error';

/** What `depmod` has found out about a kernel's modules: the texts of modules.dep and modules.builtin. */
export interface ModuleLists {
  readonly dependencies: string;
  readonly builtin: string;
}

/**
 * The files, relative to the folder of modules.dep, that have to be loaded so that all modules named are there, in that order. Names are as
 * `modprobe` takes them: `-` and `_` are the same. What is built into the kernel needs no file. Rejects unknown names with a LabError.
 */
export function loadOrder({ dependencies, builtin }: ModuleLists, names: readonly string[]): string[] {
  const present = new Set(lines(builtin).map(moduleName));
  const known = new Map(lines(dependencies).map((line) => [moduleName(line.split(':')[0] ?? ''), filesOf(line)]));
  const order = new Set<string>();
  for (const name of names.map(canonical)) {
    const files = known.get(name);
    if (files === undefined && !present.has(name)) throw new LabError(`the guest's kernel has no module ${name}`);
    files?.forEach((file) => order.add(file));
  }
  return [...order];
}

/** `net/a.ko: net/b.ko net/c.ko` is what a needs, the nearest first (depmod(8)); loaded the other way round. */
function filesOf(line: string): string[] {
  const [module = '', needed = ''] = line.split(':');
  return [
    ...needed
      .split(' ')
      .filter((file) => file !== '')
      .reverse(),
    module,
  ];
}

function moduleName(path: string): string {
  return canonical((path.split('/').at(-1) ?? '').replace(/\.ko(\.\w+)?$/, ''));
}

function canonical(name: string): string {
  return name.replaceAll('-', '_');
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

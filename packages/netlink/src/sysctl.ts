import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isTartanError } from '@tartan/core';
import { errnoNumber, kernelRefused } from './errno';
import { checkSysctlPath } from './sysctl-path';
import { loadNativeAddon, type NativeAddon } from './transport/native-addon';
import { errnoOf } from './transport/transport';

export interface SysctlOptions {
  /** `/proc/sys` but in tests. */
  readonly root: string;
  /** '' for the process's own; any other needs the native addon. */
  readonly netns: string;
}

/** /proc/sys of one namespace. What lies below net/ is per namespace and shown to a thread by the namespace it is in. */
export class Sysctls {
  constructor(private readonly options: SysctlOptions) {}

  /** Trimmed; undefined when it does not exist. Rejects with KERNEL_REFUSED. */
  async read(path: string): Promise<string | undefined> {
    checkSysctlPath(path);
    const file = join(this.options.root, path);
    try {
      const { netns } = this.options;
      return (netns === '' ? await readFile(file, 'utf8') : this.addon().readSysctl(netns, file)).trim();
    } catch (error) {
      const refusal = refused(`read sysctl ${path}`, error);
      if (refusal.data.errno === errnoNumber('ENOENT')) return undefined;
      throw refusal;
    }
  }

  /** Rejects with KERNEL_REFUSED when it does not exist (nothing is created) or the kernel does not take the value. */
  async write(path: string, value: string): Promise<void> {
    checkSysctlPath(path);
    const file = join(this.options.root, path);
    try {
      if (this.options.netns === '') await writeOnce(file, value);
      else this.addon().writeSysctl(this.options.netns, file, value);
    } catch (error) {
      throw refused(`write sysctl ${path}`, error);
    }
  }

  private addon(): NativeAddon {
    const addon = loadNativeAddon();
    if (!addon) throw Object.assign(new Error('native addon is not built'), { errno: errnoNumber('EOPNOTSUPP') });
    return addon;
  }
}

/** The kernel takes a value from one write(2), and O_CREAT or O_TRUNC are not for it. */
async function writeOnce(file: string, value: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY);
  try {
    await handle.write(value);
  } finally {
    await handle.close();
  }
}

function refused(operation: string, error: unknown): ReturnType<typeof kernelRefused> {
  return isTartanError(error, 'KERNEL_REFUSED') ? error : kernelRefused(operation, errnoOf(error));
}

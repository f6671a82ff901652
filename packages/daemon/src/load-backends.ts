import { BackendRegistry, loadBackendModule } from '@tartan/core';
import { builtInBackends } from './backends';

/** Every backend of this process: what is linked in, and what --backend-module names. Rejects with BACKEND_*. */
export async function loadBackends(modules: readonly string[]): Promise<BackendRegistry> {
  const backends = new BackendRegistry();
  for (const module of builtInBackends) backends.register(module);
  for (const nameOrPath of modules) backends.register(await loadBackendModule(nameOrPath), nameOrPath);
  return backends;
}

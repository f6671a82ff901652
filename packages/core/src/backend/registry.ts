import { TartanError } from '../errors';
import { BACKEND_CONTRACT_VERSION, type BackendModule } from './backend';

/** Every backend that this process can run, by type. Filled once at start by the composition root. */
export class BackendRegistry {
  private readonly entries = new Map<string, { readonly module: BackendModule; readonly origin: string }>();

  /** `origin` says for messages where the module came from. Throws BACKEND_TYPE_TAKEN, BACKEND_CONTRACT_VERSION. */
  register(module: BackendModule, origin = 'built in'): void {
    const { type, contractVersion } = module;
    const taken = this.entries.get(type);
    if (taken) throw new TartanError('BACKEND_TYPE_TAKEN', { type, module: origin, takenBy: taken.origin });
    if (contractVersion !== BACKEND_CONTRACT_VERSION) {
      throw new TartanError('BACKEND_CONTRACT_VERSION', {
        module: origin,
        contractVersion,
        expected: BACKEND_CONTRACT_VERSION,
      });
    }
    this.entries.set(type, { module, origin });
  }

  /** The backend for Backend.Type, in any case as in the original (flannel-compat 1.1). Throws BACKEND_UNKNOWN. */
  get(type: string): BackendModule {
    const entry = this.entries.get(type.toLowerCase());
    if (!entry) throw new TartanError('BACKEND_UNKNOWN', { type, known: this.types });
    return entry.module;
  }

  /** All of them, in the order in which they were registered. */
  get modules(): BackendModule[] {
    return [...this.entries.values()].map(({ module }) => module);
  }

  /** Known types, sorted. */
  get types(): string[] {
    return [...this.entries.keys()].sort();
  }
}

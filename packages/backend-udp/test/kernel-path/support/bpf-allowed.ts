import { loadBpfAddon } from '../../../src/kernel-path/addon';

/** Whether this process may use bpf(2): root outside of user namespaces. If not, says so aloud; in CI that is a failure. */
export function bpfAllowed(): boolean {
  const addon = loadBpfAddon();
  try {
    const BPF_MAP_TYPE_PERCPU_ARRAY = 6;
    addon.closeDescriptor(addon.createMap(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1, 0, 'probe'));
    return true;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.warn(`SKIPPED: tests of the kernel path need root outside of user namespaces (${String(error)})`);
    return false;
  }
}

import { fileURLToPath } from 'node:url';
import { buildAddon } from '@tartan/core/scripts/build-addon.mjs';

buildAddon({
  package: '@tartan/backend-udp',
  native: fileURLToPath(new URL('../native', import.meta.url)),
  name: 'tartan_udp',
  without: 'the udp backend cannot run without it, all others can',
});
buildAddon({
  package: '@tartan/backend-udp',
  native: fileURLToPath(new URL('../native/bpf', import.meta.url)),
  name: 'tartan_udp_bpf',
  without: 'the kernel path of the udp backend is not available',
});

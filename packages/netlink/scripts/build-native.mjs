import { fileURLToPath } from 'node:url';
import { buildAddon } from '@tartan/core/scripts/build-addon.mjs';

buildAddon({
  package: '@tartan/netlink',
  native: fileURLToPath(new URL('../native', import.meta.url)),
  name: 'tartan_netlink',
  without: 'the npm netlink library is used instead',
});

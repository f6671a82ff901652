import { backend as hostgw } from '@tartan/backend-hostgw';
import type { BackendModule } from '@tartan/core';

/** The only list of what is linked in. Others come by --backend-module. */
export const builtInBackends: readonly BackendModule[] = [hostgw];

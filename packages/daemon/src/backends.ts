import { backend as hostgw } from '@tartan/backend-hostgw';
import { backend as udp } from '@tartan/backend-udp';
import { backend as vxlan } from '@tartan/backend-vxlan';
import type { BackendModule } from '@tartan/core';

/** The only list of what is linked in. Others come by --backend-module. */
export const builtInBackends: readonly BackendModule[] = [hostgw, udp, vxlan];

import {
  BACKEND_CONTRACT_VERSION,
  readBackendOptions,
  type Backend,
  type BackendContext,
  type BackendModule,
  type BackendNetwork,
  type BackendPublication,
  type Lease,
} from '@tartan/core';
import { checkAddresses } from './check-addresses';
import { planRoutes } from './plan';

/*
 * host-gw: the hosts route for each other. For every peer one route in the main table,
 *
 *     <peer's subnet> via <peer's public address> dev <external interface>
 *
 * and no tunnel, so nothing is added to a packet and nothing is slower than plain forwarding. The price: every peer must be a
 * next hop, that is, on the same layer 2 segment (routers in between do not know the pods' subnets), and must be reached under
 * the address that its interface really has. Both are checked, since otherwise packets vanish without a word.
 *
 * Compatible with flannel's backend of the same name (flannel-compat 4.2): same routes, same lease value, no options.
 *
 * This is the smallest backend. The parts that every backend has: check-addresses.ts (may it run here?), plan.ts (leases in, kernel
 * objects out, pure), and this file, which joins them to the contract. Programming the kernel is the reconciler's work.
 */

export const backend: BackendModule = {
  type: 'host-gw',
  contractVersion: BACKEND_CONTRACT_VERSION,
  capabilities: {
    ipv4: true,
    ipv6: true,
    needsSameL2: true,
    needsOwnPublicIP: true,
    hitlessRestart: true,
    underlayFacts: true,
  },
  create: (context) => new HostGwBackend(context),
  checkConfig: (config) => readBackendOptions(config.backend, {}, config).warnings.map(({ message }) => message),
};

class HostGwBackend implements Backend {
  constructor(private readonly context: BackendContext) {}

  prepare(): Promise<BackendPublication> {
    return Promise.resolve().then(() => {
      const { config, externalInterface, logger } = this.context;
      const { warnings } = readBackendOptions(config.backend, {}, config);
      for (const { key, message } of warnings) logger.warn('backend option ignored', { key, reason: message });
      checkAddresses(config, externalInterface);
      return { backendType: backend.type };
    });
  }

  start(lease: Lease): Promise<BackendNetwork> {
    const { config, externalInterface } = this.context;
    return Promise.resolve({
      mtuBytes: externalInterface.mtuBytes,
      plan: (input) => planRoutes({ config, externalInterface, lease }, input),
      close: () => Promise.resolve(),
    });
  }
}

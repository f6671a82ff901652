import { emptyKernelState, type BackendNetwork, type Finding, type Plan } from '@tartan/core';
import { withBlackholeRoute } from '../src/blackhole-route';
import { leaseOf } from './support/leases';

const finding: Finding = { severity: 'warning', code: 'IN_THE_WAY', subject: 'eth0', message: 'something' };
const plan: Plan = { desired: emptyKernelState, ownership: { adoptRoutesVia: [], devices: [] }, findings: [] };

class InspectingNetwork implements BackendNetwork {
  readonly mtuBytes = 1450;
  private readonly found = [finding];
  plan = (): Plan => plan;
  close = (): Promise<void> => Promise.resolve();

  inspect(): Promise<readonly Finding[]> {
    return Promise.resolve(this.found);
  }
}

it('adds the route to every plan, and the backend still looks at its host', async () => {
  const network = withBlackholeRoute(new InspectingNetwork(), leaseOf('10.5.1.0/24'));
  const snapshot = { revision: '1', leases: [] };
  const { desired } = network.plan({ snapshot, underlay: { routeTo: () => undefined } });
  expect(desired.routes).toMatchObject([{ type: 'blackhole' }]);
  expect(await network.inspect?.(snapshot, new AbortController().signal)).toEqual([finding]);
});

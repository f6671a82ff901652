import assert from 'node:assert/strict';
import {
  BACKEND_CONTRACT_VERSION,
  isTartanError,
  Ipv4Address,
  Ipv6Address,
  type ExternalInterface,
} from '@tartan/core';
import type { SuiteRunner } from '../runner';
import { stableJson } from './canonical';
import { neverAborts, type BackendFixture } from './fixture';
import type { FamilyMode } from './subject';

/** What the module says of itself, and what prepare() publishes. */
export function publishingSuite({ describe, it }: SuiteRunner, fixture: BackendFixture): void {
  it('states a type, the contract version of this build, and at least one address family', () => {
    const { type, contractVersion, capabilities } = fixture.module;
    assert.match(type, /^[a-z0-9][a-z0-9-]*$/);
    assert.equal(contractVersion, BACKEND_CONTRACT_VERSION);
    assert.ok(capabilities.ipv4 || capabilities.ipv6);
  });

  for (const mode of fixture.modes) {
    describe(`prepare, ${mode}`, () => {
      it('publishes its type, or none, and JSON that survives the datastore', async () => {
        const publication = await (await fixture.create(mode)).prepare(neverAborts);
        assert.ok(['', fixture.module.type].includes(publication.backendType), publication.backendType);
        assert.deepEqual(JSON.parse(JSON.stringify(publication)), publication);
      });

      it('publishes the same when it is repeated, and after a restart', async () => {
        const backend = await fixture.create(mode);
        const first = stableJson(await backend.prepare(neverAborts));
        assert.equal(stableJson(await backend.prepare(neverAborts)), first);
        assert.equal(stableJson(await (await fixture.create(mode)).prepare(neverAborts)), first);
      });

      it('treats address translation between the hosts as its capabilities say', () => assertNat(fixture, mode));

      it('gives pods an MTU that fits into the underlay', async () => {
        const { network } = await fixture.start(mode);
        const { externalInterface } = await fixture.context(mode);
        assert.ok(Number.isInteger(network.mtuBytes));
        assert.ok(network.mtuBytes <= externalInterface.mtuBytes, `pods get ${network.mtuBytes}`);
        // RFC 8200 section 5 and RFC 791: what a link must carry.
        assert.ok(network.mtuBytes >= (mode === 'IPv4' ? 576 : 1280), `pods get ${network.mtuBytes}`);
      });

      it('can be closed more than once', async () => {
        const { network } = await fixture.start(mode);
        await network.close();
        await network.close();
      });
    });
  }
}

async function assertNat(fixture: BackendFixture, mode: FamilyMode): Promise<void> {
  const { externalInterface } = await fixture.context(mode);
  const context = await fixture.context(mode, { externalInterface: behindNat(externalInterface) });
  const preparing = Promise.resolve().then(() => fixture.module.create(context).prepare(neverAborts));
  if (!fixture.module.capabilities.needsOwnPublicIP) {
    await preparing;
    return;
  }
  await assert.rejects(preparing, (error: unknown) => {
    assert.ok(isTartanError(error), `refuse with a TartanError, not ${String(error)}`);
    assert.match(error.code, /^BACKEND_/);
    return true;
  });
}

function behindNat(external: ExternalInterface): ExternalInterface {
  return {
    ...external,
    publicIP: external.publicIP && Ipv4Address.parse('203.0.113.5'),
    publicIPv6: external.publicIPv6 && Ipv6Address.parse('2001:db8::5'),
  };
}

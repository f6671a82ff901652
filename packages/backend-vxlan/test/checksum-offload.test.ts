import type { BackendNetwork, DataPathEvidence, Finding, Plan } from '@tartan/core';
import { foundOffFindings } from '../src/checksum-offload';
import { containing, facts, hostKernel, networkConfig, startNetwork } from './support/nodes';

const CHECKSUM = 'tx-checksum-ip-generic';
const REASON = 'node-b (192.168.50.2): ping passes, 20 of 20 TCP probes were dropped';
const broken: DataPathEvidence = { brokenTxChecksums: REASON };

function planned(network: BackendNetwork, evidence?: DataPathEvidence): Plan {
  const snapshot = { revision: '1', leases: [] };
  return network.plan({ snapshot, underlay: facts(), ...(evidence && { evidence }) });
}

async function planOf(option: string | undefined, evidence?: DataPathEvidence): Promise<Plan> {
  const config = networkConfig('dual', option === undefined ? {} : { TxChecksumOffload: option });
  return planned(await startNetwork({ config }), evidence);
}

const features = ({ desired: { links } }: Plan): unknown[] => links.map((link) => link.features);
const brief = ({ findings }: { findings: readonly Finding[] }): string[] =>
  findings.map(({ severity, code, subject }) => `${severity} ${code} ${subject}`);

const on = { [CHECKSUM]: true };
const off = { [CHECKSUM]: false };
const DEVICES = 'flannel.1, flannel-v6.1';

describe('TxChecksumOffload', () => {
  it.each([
    ['not set', undefined, undefined],
    ['auto', 'auto', undefined],
    ['on', 'on', on],
    ['off', 'off', off],
  ])('%s: what both devices are asked for as long as nothing is wrong', async (_, option, wanted) => {
    const plan = await planOf(option);
    expect(features(plan)).toEqual([wanted, wanted]);
    expect(plan.findings).toEqual([]);
    expect(features(await planOf(option, {}))).toEqual([wanted, wanted]);
  });

  it('auto turns it off on evidence, and says why', async () => {
    const plan = await planOf('auto', broken);
    expect(features(plan)).toEqual([off, off]);
    expect(brief(plan)).toEqual([`warning CHECKSUM_OFFLOAD_OFF ${DEVICES}`]);
    expect(plan.findings[0]).toMatchObject({ message: containing(REASON), cure: containing('TxChecksumOffload') });
  });

  it('on stays on against the evidence, as an error', async () => {
    const plan = await planOf('on', broken);
    expect(features(plan)).toEqual([on, on]);
    expect(brief(plan)).toEqual([`error CHECKSUM_OFFLOAD_BROKEN ${DEVICES}`]);
    expect(plan.findings[0]).toMatchObject({ message: containing(REASON), cure: containing('"auto"') });
  });

  it('off and damaged all the same: the uplink is named', async () => {
    const plan = await planOf('off', broken);
    expect(features(plan)).toEqual([off, off]);
    expect(brief(plan)).toEqual([`error CHECKSUM_OFFLOAD_BROKEN ${DEVICES}`]);
    expect(plan.findings[0]?.cure).toContain('ethtool -K eth0 tx off');
  });

  it('any other value is refused', async () => {
    await expect(planOf('maybe')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      data: { key: 'Backend.TxChecksumOffload' },
    });
  });
});

describe('a device that was off before', () => {
  async function restarted(option: string): Promise<Plan> {
    const kernel = hostKernel();
    const config = networkConfig('ipv4', { TxChecksumOffload: option });
    await startNetwork({ netlink: kernel, config });
    kernel.setFeature('flannel.1', CHECKSUM, false);
    return planned(await startNetwork({ netlink: kernel, config }));
  }

  it('is left so by auto, with a word about it', async () => {
    const plan = await restarted('auto');
    expect(features(plan)).toEqual([undefined]);
    expect(brief(plan)).toEqual(['info CHECKSUM_OFFLOAD_FOUND_OFF flannel.1']);
  });

  it.each(['on', 'off'])('is nothing to tell of with %s', async (option) => {
    expect((await restarted(option)).findings).toEqual([]);
  });

  it('a kernel that does not tell features stops nothing', async () => {
    const kernel = hostKernel();
    kernel.failWhen(({ op }) => op === 'list-link-features', 'EOPNOTSUPP');
    const plan = planned(await startNetwork({ netlink: kernel, config: networkConfig('ipv4') }));
    expect(plan.findings).toEqual([]);
    expect(await foundOffFindings(kernel, [{ ifname: 'flannel.1' }])).toEqual([]);
  });
});

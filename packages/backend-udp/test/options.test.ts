import { readUdpOptions, udpSchema } from '../src/options';
import { networkConfig, thrown } from './support/nodes';
import type { Json } from '@tartan/core';

const read = (options: Readonly<Record<string, Json>>, families: 'ipv4' | 'ipv6' = 'ipv4') =>
  readUdpOptions(networkConfig(families, options));

describe('udp options', () => {
  it("are flannel's when nothing is said", () => {
    expect(read({})).toEqual({
      options: {
        port: 8285,
        underlayMtuBytes: null,
        keepaliveSeconds: 0,
        datapath: 'userspace',
        queues: 1,
        offloads: { tunTso: true, tunUso: true, udpSegment: true, udpGro: true, coalesce: true },
      },
      findings: [],
    });
  });

  it('match names in any case', () => {
    const { options } = read({ port: 9000, mtu: 1400, KEEPALIVE: 25, datapath: 'auto', udpGRO: false });
    expect(options).toMatchObject({ port: 9000, underlayMtuBytes: 1400, keepaliveSeconds: 25, datapath: 'auto' });
    expect(options.offloads.udpGro).toBe(false);
  });

  it.each<[string, Json]>([
    ['Port', 0],
    ['Port', 65536],
    ['Port', '8285'],
    ['MTU', -1],
    ['MTU', 100],
    ['MTU', 603],
    ['Keepalive', 1.5],
    ['Keepalive', '25s'],
    ['Datapath', 'Kernel'],
    ['Queues', 0],
    ['Queues', 65],
    ['TunTSO', 'on'],
    ['Coalesce', 1],
  ])('refuse %s %p', (name, value) => {
    expect(thrown(() => read({ [name]: value }))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`Backend.${name}`) as string,
    });
  });

  it('take the smallest MTU that IPv4 fits into, more over IPv6', () => {
    expect(read({ MTU: 604 }).options.underlayMtuBytes).toBe(604);
    expect(thrown(() => read({ MTU: 623 }, 'ipv6'))).toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('suggest what may have been meant', () => {
    expect(read({ Prot: 9000 }).findings).toMatchObject([
      { code: 'CONFIG_UNKNOWN_KEY', subject: 'Backend.Prot', message: expect.stringContaining('Port') as string },
    ]);
    const strict = { ...networkConfig('ipv4', { Keepalives: 25 }), strict: true };
    expect(thrown(() => readUdpOptions(strict))).toMatchObject({
      message: expect.stringContaining('Keepalive') as string,
    });
  });

  it('say that packets stay in user space where the config alone rules the kernel out', () => {
    expect(read({ Datapath: 'kernel' }, 'ipv6').findings).toMatchObject([
      { code: 'UDP_DATAPATH_FALLBACK', message: expect.stringContaining('IPv4') as string },
    ]);
    expect(read({ Datapath: 'kernel' }).findings).toEqual([]);
    expect(read({ Datapath: 'auto' }, 'ipv6').findings).toEqual([]);
  });

  it('explain themselves', () => {
    for (const { help } of Object.values(udpSchema)) expect(help).toMatch(/^[A-Z].*\.$/);
  });
});

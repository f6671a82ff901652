import { MacAddress, type Json } from '@tartan/core';
import { containing } from './support/nodes';
import { encodeVtepData, parseVtepData } from '../src/vtep-data';

const mac = 'c2:25:54:cf:0e:af';

describe('what a node publishes of its device', () => {
  it('is written as Go does (golden, flannel-compat 2.3)', () => {
    const data = encodeVtepData({ vni: 1, mac: MacAddress.parse('C2-25-54-CF-0E-AF') });
    expect(JSON.stringify(data)).toBe('{"VNI":1,"VtepMAC":"c2:25:54:cf:0e:af"}');
  });

  it.each<[string, Json]>([
    ['colons', { VNI: 7, VtepMAC: mac }],
    ['hyphens and capitals', { VNI: 7, VtepMAC: 'C2-25-54-CF-0E-AF' }],
    ["Cisco's dots", { VNI: 7, VtepMAC: 'c225.54cf.0eaf' }],
    ['names in another case', { vni: 7, vtepmac: mac }],
    ['a repeated name, the last of which counts', { vtepmac: 'nonsense', VNI: 7, VtepMAC: mac }],
    ['members that we do not know', { VNI: 7, VtepMAC: mac, Extra: [1] }],
  ])('is read with %s', (_, data) => {
    expect(parseVtepData(data)).toEqual({ vni: 7, mac: MacAddress.parse(mac) });
  });

  it('needs no VNI, since early flannel published none', () => {
    expect(parseVtepData({ VtepMAC: mac })).toEqual({ vni: undefined, mac: MacAddress.parse(mac) });
    expect(parseVtepData({ VNI: null, VtepMAC: mac })).toEqual({ vni: undefined, mac: MacAddress.parse(mac) });
  });

  it.each<[Json | undefined, string]>([
    [undefined, 'publishes no'],
    [null, 'publishes no'],
    ['text', 'not a JSON object'],
    [[1], 'not a JSON object'],
    [{ VNI: 1 }, 'VtepMAC is missing'],
    [{ VNI: 1, VtepMAC: 5 }, 'VtepMAC is missing'],
    [{ VNI: 1, VtepMAC: '' }, 'not a MAC address'],
    [{ VNI: 1, VtepMAC: '00:00:00:00:00:00:00:01' }, 'not a MAC address'],
    [{ VNI: 1, VtepMAC: '00:00:00:00:00:00' }, 'not a unicast'],
    [{ VNI: 1, VtepMAC: '33:33:00:00:00:01' }, 'not a unicast'],
    [{ VNI: 'one', VtepMAC: mac }, 'VNI is not a whole number'],
    [{ VNI: -1, VtepMAC: mac }, 'VNI is not a whole number'],
    [{ VNI: 1.5, VtepMAC: mac }, 'VNI is not a whole number'],
    [{ VNI: 2 ** 32, VtepMAC: mac }, 'VNI is not a whole number'],
  ])('cannot be used: %j', (data, reason) => {
    expect(parseVtepData(data)).toEqual({ problem: containing(reason) });
  });
});

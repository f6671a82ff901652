import { createProtocolNames, ROUTE_PROTOCOL_TARTAN } from '@tartan/core';

describe('protocol names', () => {
  it('know the usual ones and ours', () => {
    const name = createProtocolNames();
    expect([2, 3, 4, 16, 186, ROUTE_PROTOCOL_TARTAN, 77].map(name)).toEqual([
      'kernel',
      'boot',
      'static',
      'dhcp',
      'bgp',
      'tartan',
      '77',
    ]);
  });

  it('learn from rt_protos files', () => {
    const name = createProtocolNames(['# comment\n 77  mine # trailing\n0x4e\thex\nnonsense\n', '77 later\n']);
    expect([77, 78, 3].map(name)).toEqual(['later', 'hex', 'boot']);
  });
});

import {
  deleteFilter,
  listFilters,
  parseAnswer,
  replaceFilter,
  type FilterPlace,
} from '../../src/kernel-path/tc-messages';

const place: FilterPlace = { ifindex: 5, direction: 'egress', preference: 158, handle: 8285 };

describe('requests, byte for byte', () => {
  it('the filter, as `tc filter replace dev 5 egress pref 158 handle 8285 bpf direct-action` sends it', () => {
    const bytes = replaceFilter(place, { descriptor: 9, name: 'ab' });
    const parts = [
      ['48000000', 'length 72'],
      ['2c00', 'RTM_NEWTFILTER'],
      ['0504', 'request, acknowledge, create'],
      ['0100000000000000', 'sequence, port'],
      ['00000000', 'family'],
      ['05000000', 'device'],
      ['5d200000', 'handle'],
      ['f3ffffff', 'clsact, egress'],
      ['00039e00', 'preference 158, ETH_P_ALL'],
      ['0800010062706600', 'kind bpf'],
      ['1c000200', 'options'],
      ['0800060009000000', 'descriptor'],
      ['0700070061620000', 'name'],
      ['0800080001000000', 'direct-action'],
    ] as const;
    expect(bytes.toString('hex')).toBe(parts.map(([part]) => part).join(''));
  });

  it('its end', () => {
    expect(deleteFilter(place).toString('hex').slice(8, 16)).toBe('2d000500');
  });

  it('a list', () => {
    expect(listFilters(5, 'ingress').toString('hex')).toBe(
      '240000002e00010301000000000000000000000005000000' + '00000000f2ffffff00000000',
    );
  });
});

describe('answers', () => {
  /** As the kernel answers a dump: the filter of above, and the end. */
  function dump(): Buffer {
    const filter = replaceFilter(place, { descriptor: 9, name: 'ab' });
    const end = Buffer.from('1400000003000200010000000000000000000000', 'hex');
    return Buffer.concat([filter, end]);
  }

  it('a filter', () => {
    expect(parseAnswer(dump(), 'egress')).toEqual({
      errno: 0,
      filterCount: 1,
      filters: [{ ...place, name: 'ab', programId: 0 }],
    });
  });

  it('an error in the kernel’s words', () => {
    const text = Buffer.from('Parent Qdisc doesn’t exist\0');
    const attribute = Buffer.alloc((4 + text.length + 3) & ~3);
    attribute.writeUInt16LE(4 + text.length, 0);
    attribute.writeUInt16LE(1, 2);
    text.copy(attribute, 4);
    const error = Buffer.alloc(16 + 4 + 16);
    error.writeUInt32LE(error.length + attribute.length, 0);
    error.writeUInt16LE(2, 4);
    error.writeUInt16LE(0x300, 6);
    error.writeInt32LE(-22, 16);
    expect(parseAnswer(Buffer.concat([error, attribute]))).toMatchObject({
      errno: 22,
      text: 'Parent Qdisc doesn’t exist',
    });
  });

  it('that end too early are read as far as they go', () => {
    const whole = dump();
    for (const length of [0, 3, 15]) expect(parseAnswer(whole.subarray(0, length)).filters).toEqual([]);
  });
});

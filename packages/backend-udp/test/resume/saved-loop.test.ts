import { decodeSavedLoop, encodeSavedLoop } from '../../src/resume/saved-loop';
import { savedLoop } from '../support/saved';

it('reads back what was written', () => {
  for (const saved of [savedLoop(), savedLoop({ routes: new Uint8Array(), networks: ['fc00::/48'] })]) {
    const { routes, ...rest } = decodeSavedLoop(encodeSavedLoop(saved));
    expect(rest).toEqual({ ...saved, routes: undefined });
    expect(Buffer.from(routes)).toEqual(Buffer.from(saved.routes));
  }
});

it('refuses a file in which any byte is another one', () => {
  const bytes = encodeSavedLoop(savedLoop());
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 0x20;
    expect(() => decodeSavedLoop(changed)).toThrow(/incomplete or changed|another version/);
  }
});

it('refuses a file that ends early, or late', () => {
  const bytes = encodeSavedLoop(savedLoop());
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeSavedLoop(bytes.subarray(0, length))).toThrow(/incomplete or changed|another version/);
  }
  expect(() => decodeSavedLoop(Buffer.concat([bytes, Buffer.from([0])]))).toThrow('incomplete or changed');
});

it('refuses the file of another version', () => {
  const text = encodeSavedLoop(savedLoop()).toString('latin1');
  expect(() => decodeSavedLoop(Buffer.from(text.replace('loop 1', 'loop 2'), 'latin1'))).toThrow('another version');
});

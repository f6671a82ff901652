import { MemoryLogger } from '@tartan/core/testing';
import type * as transports from '../src/transport/choose-transport';

type Choose = typeof transports.chooseTransport;

/** A fresh process's view, with or without the addon. */
function chooser(addon: boolean): Choose {
  let choose: Choose | undefined;
  jest.isolateModules(() => {
    jest.doMock('../src/transport/native-addon', () => ({ loadNativeAddon: () => (addon ? {} : undefined) }));
    choose = jest.requireActual<typeof transports>('../src/transport/choose-transport').chooseTransport;
  });
  return choose as Choose;
}

function options(rest: Partial<transports.TransportOptions>): transports.TransportOptions {
  return { choice: 'auto', netns: '', receiveBufferBytes: 0, logger: new MemoryLogger(), ...rest };
}

describe('choice of the transport', () => {
  afterEach(() => jest.dontMock('../src/transport/native-addon'));

  test('takes the addon where there is one, and the library when told to', () => {
    const choose = chooser(true);
    expect(choose(options({})).name).toBe('native');
    expect(choose(options({ choice: 'library' })).name).toBe('library');
  });

  test('falls back to the library and says so once', () => {
    const choose = chooser(false);
    const logger = new MemoryLogger();
    expect(choose(options({ logger }))).toMatchObject({ name: 'library', extendedAck: false });
    expect(choose(options({ logger })).name).toBe('library');
    expect(logger.lines).toEqual([expect.objectContaining({ level: 'warn' })]);
  });

  test('refuses clearly what only the addon can do', () => {
    const choose = chooser(false);
    expect(() => choose(options({ choice: 'native' }))).toThrow(/npm run build:native/);
    expect(() => choose(options({ netns: '/run/netns/blue' }))).toThrow(/another network namespace/);
  });
});

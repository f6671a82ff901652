import { TartanError, type CommandOutcome, type CommandRunner } from '../../src';
import { NftTool } from '../../src/traffic/nftables/nft-tool';

interface Host {
  readonly version?: string;
  /** A probe that contains it is refused, as by a kernel or an nft that does not know it. */
  readonly refuses?: RegExp;
}

/** An nft that only answers questions; `undefined` is a host without it. */
function detect(host: Host | undefined) {
  const answer = ({ args, input = '' }: Parameters<CommandRunner['run']>[0]): CommandOutcome => {
    if (args.includes('--check')) {
      const refused = host?.refuses?.test(input) ?? false;
      return { exitCode: refused ? 1 : 0, stdout: '', stderr: refused ? 'Error: syntax error' : '' };
    }
    expect(args).toEqual(['--json', 'list', 'tables']);
    return {
      exitCode: 0,
      stdout: JSON.stringify({ nftables: [{ metainfo: { version: host?.version } }] }),
      stderr: '',
    };
  };
  const run: CommandRunner['run'] = (request) =>
    host
      ? Promise.resolve(answer(request))
      : Promise.reject(new TartanError('TRAFFIC_TOOL_MISSING', { program: request.program }));
  return new NftTool({ run }).detect(4);
}

describe('nft', () => {
  it.each(['1.0.1', '1.0.6', '1.1', '2.0'])('%s can be used', async (version) => {
    expect(await detect({ version })).toMatchObject({ usable: true, version });
  });

  it.each(['0.9.8', '1.0', '1.0.0', undefined])(
    '%s is too old, but can tell what has to be removed',
    async (version) => {
      expect(await detect({ ...(version !== undefined && { version }) })).toEqual({
        usable: false,
        listable: true,
        reason: expect.stringContaining('is older than 1.0.1') as string,
      });
    },
  );

  it('that is not installed has nothing to remove either', async () => {
    expect(await detect(undefined)).toMatchObject({ usable: false, listable: false });
  });

  it.each([
    [/^(?!)/, { fullyRandom: true, comments: true }],
    [/comment "probe";/, { fullyRandom: true, comments: false }],
    [/fully-random/, { fullyRandom: false, comments: true }],
    [/fully-random|comment "probe";/, { fullyRandom: false, comments: false }],
  ])('on a host that refuses %s is used in the best form that is taken', async (refuses, capabilities) => {
    expect(await detect({ version: '1.0.6', refuses })).toMatchObject({ usable: true, capabilities });
  });

  it('that cannot masquerade at all is not used, and says why', async () => {
    expect(await detect({ version: '1.0.6', refuses: /masquerade/ })).toMatchObject({
      usable: false,
      listable: true,
      reason: expect.stringContaining('syntax error') as string,
    });
  });
});

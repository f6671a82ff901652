import { BackOff, TartanError, type NetworkConfig } from '@tartan/core';
import { FakeClock, MemoryLogger, MemoryStore } from '@tartan/core/testing';
import { ConfigSource } from '../src/config-source';

const GOOD = '{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}';
const WIDER = '{"Network":"10.5.0.0/16","SubnetMin":"10.5.2.0","Backend":{"Type":"host-gw"}}';
const BAD = '{"Network":"10.5.0.0/29"}';

function setUp({ strict = false, remembered = null as string | null } = {}) {
  const clock = new FakeClock();
  const logger = new MemoryLogger();
  const store = new MemoryStore({ clock });
  const datastore = store.connect();
  const stop = new AbortController();
  const configs: NetworkConfig[] = [];
  const story: string[] = [];
  const backOff = new BackOff({ initialMs: 500, maxMs: 10_000, random: () => 0.5 });
  const source = new ConfigSource({ datastore, strict, remembered, clock, logger, backOff });
  const running = source.run(
    {
      onConfig: (config) => {
        configs.push(config);
        story.push('config');
      },
      onProblem: (problem) => story.push(problem),
      onRecovered: () => story.push('recovered'),
    },
    stop.signal,
  );
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
    expect(clock.timers).toBe(0);
  };
  return { clock, logger, store, datastore, configs, story, end };
}

test('waits for a config, says so once, and has it the moment it is written', async () => {
  const { clock, logger, store, configs, end } = setUp();
  await clock.advance(120_000);
  expect(logger.matching('waiting for the network config')).toHaveLength(1);
  store.setConfig(GOOD);
  await clock.advance(0);
  expect(configs).toHaveLength(1);
  await end();
});

test('a changed config is delivered once, its warnings are logged once, and the same text again is no change', async () => {
  const { clock, logger, store, configs, end } = setUp();
  store.setConfig(GOOD.replace('}}', '},"Netwrok":1}'));
  await clock.advance(0);
  store.setConfig(GOOD.replace('}}', '},"Netwrok":1}'));
  await clock.advance(60_000);
  expect(configs).toHaveLength(1);
  expect(logger.matching('network config warning').map(({ fields }) => fields['key'])).toEqual(['Netwrok']);
  store.setConfig(WIDER);
  await clock.advance(0);
  expect(configs.map(({ ipv4 }) => ipv4?.subnetMin.toString())).toEqual(['10.5.1.0', '10.5.2.0']);
  await end();
});

test('an unusable config is told with its reason and skipped; the repair is noticed, also when it is the old text', async () => {
  const { clock, logger, store, configs, story, end } = setUp();
  store.setConfig(GOOD);
  await clock.advance(0);
  store.setConfig(BAD);
  await clock.advance(0);
  store.setConfig(BAD);
  await clock.advance(0);
  expect(configs).toHaveLength(1);
  expect(story.slice(1)).toEqual([expect.stringContaining('Network')]);
  const lines = logger.matching('not usable');
  expect(lines).toHaveLength(1);
  expect(lines[0]?.fields['instead']).toBe('the last good one stays in force');
  store.setConfig(GOOD);
  await clock.advance(0);
  expect(configs).toHaveLength(1);
  expect(story.at(-1)).toBe('recovered');
  expect(logger.matching('in force again')).toHaveLength(1);
  await end();
});

test('--strict-config refuses what otherwise is a warning', async () => {
  const { clock, logger, store, configs, end } = setUp({ strict: true });
  store.setConfig('{"Network":"10.5.0.0/16","Subnetlenn":24,"Backend":{"Type":"host-gw"}}');
  await clock.advance(0);
  expect(configs).toHaveLength(0);
  expect(logger.matching('not usable')).toHaveLength(1);
  await end();
});

test('the watch outlives failures of the datastore, and what changed meanwhile arrives', async () => {
  const { clock, logger, store, datastore, configs, story, end } = setUp();
  store.setConfig(GOOD);
  await clock.advance(0);
  datastore.partition();
  await clock.advance(60_000);
  store.setConfig(WIDER);
  await clock.advance(1_000);
  expect(configs).toHaveLength(1);
  // That the datastore is away is its own line, not ours.
  expect(logger.lines).toHaveLength(0);
  datastore.heal();
  await clock.advance(10_000);
  expect(configs).toHaveLength(2);
  // Nor is it a problem of the config.
  expect(story).toEqual(['config', 'config']);
  for (let fault = 0; fault < 5; fault++) {
    datastore.breakWatches();
    await clock.advance(10_000);
  }
  store.setConfig(GOOD);
  await clock.advance(0);
  expect(configs).toHaveLength(3);
  await end();
});

test('a watch that is refused does not turn into a storm of reads', async () => {
  const { clock, logger, store, datastore, end } = setUp();
  store.setConfig(GOOD);
  const error = new TartanError('DATASTORE_DENIED', {
    datastore: 'memory',
    operation: 'watch',
    reason: 'no permission',
  });
  datastore.fail('watchConfig', { times: 1_000, error });
  await clock.advance(120_000);
  expect(datastore.calls.get('getConfig')).toBeLessThan(30);
  expect(logger.matching('cannot be read')).toHaveLength(1);
  await end();
});

test('the config of the last run is used while the datastore is away, and the present one as soon as it is back', async () => {
  const { clock, logger, store, datastore, configs, story, end } = setUp({ remembered: GOOD });
  datastore.partition();
  await clock.advance(60_000);
  expect(story).toEqual(['config']);
  expect(logger.matching('starting with the network config of the last run')).toHaveLength(1);
  store.setConfig(WIDER);
  datastore.heal();
  await clock.advance(60_000);
  expect(configs.map(({ ipv4 }) => ipv4?.subnetMin.toString())).toEqual(['10.5.1.0', '10.5.2.0']);
  await end();
});

test('the same goes for a datastore that refuses access, which is told', async () => {
  const { clock, store, datastore, configs, story, end } = setUp({ remembered: GOOD });
  store.setConfig(WIDER);
  const refusal = { datastore: 'memory', operation: 'read config', reason: 'no permission' };
  datastore.fail('getConfig', { times: 3, error: new TartanError('DATASTORE_DENIED', refusal) });
  await clock.advance(0);
  expect(story).toEqual(['config', expect.stringContaining('no permission')]);
  await clock.advance(60_000);
  expect(configs.map(({ ipv4 }) => ipv4?.subnetMin.toString())).toEqual(['10.5.1.0', '10.5.2.0']);
  await end();
});

test('the config of the last run is no answer to one that is missing or broken', async () => {
  const { clock, store, configs, end } = setUp({ remembered: GOOD });
  await clock.advance(60_000);
  store.setConfig(BAD);
  await clock.advance(60_000);
  expect(configs).toEqual([]);
  await end();
});

test('a config of the last run that is not usable any more is told once', async () => {
  const { clock, logger, datastore, configs, story, end } = setUp({ remembered: BAD });
  datastore.partition();
  await clock.advance(120_000);
  expect(configs).toEqual([]);
  expect(story.filter((line) => line.includes('Network'))).toHaveLength(1);
  expect(logger.matching('starting with the network config of the last run').length).toBeLessThanOrEqual(1);
  expect(logger.matching('is not usable')).toHaveLength(1);
  await end();
});

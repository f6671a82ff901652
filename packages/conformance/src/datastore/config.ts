import assert from 'node:assert/strict';
import type { SuiteRunner } from '../runner';
import { eventually, rejectsWith, type DatastoreFixture } from './fixture';

/** Both parse to the same value in every datastore, and keep their text. */
const FIRST = '{"Network":"10.5.0.0/16","SubnetLen":24}';
const SECOND = '{"Network":"10.6.0.0/16","Backend":{"Type":"host-gw"}}';

export function configSuite({ describe, it }: SuiteRunner, fixture: DatastoreFixture): void {
  describe('config', () => {
    it('is not found until somebody writes it', async () => {
      await rejectsWith(fixture.datastore.getConfig(fixture.signal()), 'DATASTORE_NOT_FOUND');
      await fixture.subject.setConfig(FIRST);
      assert.equal((await fixture.datastore.getConfig(fixture.signal())).text, FIRST);
    });

    it('has a new revision after a change', async () => {
      await fixture.subject.setConfig(FIRST);
      const before = await fixture.datastore.getConfig(fixture.signal());
      await fixture.subject.setConfig(SECOND);
      const after = await fixture.datastore.getConfig(fixture.signal());
      assert.equal(after.text, SECOND);
      assert.ok(after.revision > before.revision);
    });

    it('is watched: first what is there, then every change', async () => {
      await fixture.subject.setConfig(FIRST);
      const { texts } = read(fixture);
      await eventually(() => texts.at(-1) === FIRST, 'the present config');
      await fixture.subject.setConfig(SECOND);
      await eventually(() => texts.at(-1) === SECOND, 'the changed config');
    });

    it('is watched before it exists', async () => {
      const { texts } = read(fixture);
      await fixture.subject.setConfig(FIRST);
      await eventually(() => texts.at(-1) === FIRST, 'the new config');
    });

    it('ends its watch with the reason of the abort', async () => {
      await fixture.subject.setConfig(FIRST);
      const log = read(fixture);
      await eventually(() => log.texts.length > 0, 'the watch stands');
      const reason = new Error('enough');
      log.controller.abort(reason);
      assert.equal(await log.ended, reason);
    });
  });
}

function read(fixture: DatastoreFixture): { texts: string[]; controller: AbortController; ended: Promise<unknown> } {
  const texts: string[] = [];
  const controller = fixture.controller();
  const reading = async (): Promise<unknown> => {
    try {
      for await (const { text } of fixture.datastore.watchConfig(controller.signal)) texts.push(text);
      return new Error('the watch ended without an error');
    } catch (error) {
      return error;
    }
  };
  return { texts, controller, ended: reading() };
}

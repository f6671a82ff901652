import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT_CODE, exitCodeTable } from '@tartan/core';
import { deployFolder, itNeeds } from './support';

const unit = readFileSync(join(deployFolder, 'systemd', 'tartand.service'), 'utf8');
const dropIn = readFileSync(join(deployFolder, 'systemd', 'docker.service.d', 'tartan.conf'), 'utf8');
const docs = join(deployFolder, '..', 'docs');

/** All values of a setting, in order. */
const setting = (text: string, name: string): string[] =>
  [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value as string);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tartan-unit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The unit with a program that exists here; systemd-analyze looks for it. */
function installable(text: string, name: string): string {
  const path = join(folder, name);
  writeFileSync(path, text.replaceAll(/^(ExecStart(?:Pre)?=)\/\S+/gm, '$1/bin/true'));
  return path;
}

itNeeds('systemd-analyze')('systemd finds nothing wrong with the unit', () => {
  const path = installable(unit, 'tartand.service');
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
  expect([stderr, status]).toEqual(['', 0]);
});

itNeeds('systemd-analyze')('systemd finds nothing wrong with the drop-in for Docker', () => {
  installable(unit, 'tartand.service');
  const docker = `[Unit]\nDescription=Docker\n[Service]\nType=notify\nExecStart=/bin/true\n${dropIn}`;
  const path = installable(docker, 'docker.service');
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
  expect([stderr, status]).toEqual(['', 0]);
});

itNeeds('systemd-analyze')('the unit is exposed to no more than 3.0 of 10', () => {
  const path = installable(unit, 'tartand.service');
  const args = ['security', '--offline=true', '--no-pager', '--threshold=30', path];
  const { status, stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  expect([stdout.includes('Overall exposure level'), status]).toEqual([true, 0]);
});

it('comes up after etcd and the network, and before Docker', () => {
  expect(setting(unit, 'After').join(' ').split(' ')).toEqual(['network-online.target', 'etcd.service']);
  expect(setting(unit, 'Before')).toEqual(['docker.service']);
  expect(setting(dropIn, 'After')).toEqual(['tartand.service']);
});

it('is restarted whatever happens, except for wrong options', () => {
  expect(setting(unit, 'Restart')).toEqual(['always']);
  expect(setting(unit, 'RestartPreventExitStatus')).toEqual([String(EXIT_CODE.usage)]);
});

it('keeps subnet.env over a restart and may write where the daemon writes', () => {
  expect(setting(unit, 'RuntimeDirectory')).toEqual(['flannel']);
  expect(setting(unit, 'RuntimeDirectoryPreserve')).toEqual(['yes']);
  expect(setting(unit, 'StateDirectory')).toEqual(['tartan']);
});

it('the page on systemd documents every exit code', () => {
  const page = readFileSync(join(docs, 'install-systemd.md'), 'utf8');
  for (const { code, when } of exitCodeTable) expect(page.replaceAll(/ +/g, ' ')).toContain(`| ${code} | ${when} |`);
});

it('the pages show the settings that are shipped', () => {
  const page = readFileSync(join(docs, 'docker.md'), 'utf8');
  for (const line of dropIn.split('\n').filter((text) => /^(Exec|Env)/.test(text))) expect(page).toContain(line);
});

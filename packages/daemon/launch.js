'use strict';

const { setFlagsFromString } = require('node:v8');

/*
 * V8 takes memory as if it had the machine for itself: with 5,000 peers 160 MiB resident, of which 30 are alive. A daemon that stands on
 * every node beside what people pay for is set for size: the space for new objects stays at its first megabyte, and the heap is cleaned
 * before it grows by much. That makes it 100 MiB for a fifth more of processor time at the start (docs/decisions/0005-kubernetes-client.md).
 * There is no upper limit: a cluster that is larger than anybody thought of must cost memory, not the daemon.
 */
const FLAGS = ['--semi-space-growth-factor=1', '--optimize-for-size'];

/** Starts a program of this package, or says how to build it. Used by bin/ here and in the checkout's root. */
module.exports = function launch(program) {
  for (const flag of FLAGS) setFlagsFromString(flag);
  let entry;
  try {
    entry = require.resolve(`./dist/${program}.js`);
  } catch {
    process.stderr.write(`${program}: not built yet; run "npm run build" in the checkout\n`);
    process.exit(1);
  }
  require(entry).main(process.argv.slice(2), process.env);
};

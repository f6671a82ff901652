'use strict';

/** Starts a program of this package, or says how to build it. Used by bin/ here and in the checkout's root. */
module.exports = function launch(program) {
  let entry;
  try {
    entry = require.resolve(`./dist/${program}.js`);
  } catch {
    process.stderr.write(`${program}: not built yet; run "npm run build" in the checkout\n`);
    process.exit(1);
  }
  require(entry).main(process.argv.slice(2), process.env);
};

// Runs before every script of this repository, on whatever Node the machine has; so: old syntax, no imports.
// npm puts node_modules/.bin first in the path of a script, where the `node` devDependency lies. When its install
// script did not run, the machine's own Node runs instead, and what follows would fail in ways nobody understands.
'use strict'

var FLOOR = [24, 6]
var version = process.versions.node.split('.').map(Number)
var recent = version[0] > FLOOR[0] || (version[0] === FLOOR[0] && version[1] >= FLOOR[1])
if (!recent) {
  console.error(
    'millrace needs Node >= ' +
      FLOOR.join('.') +
      ', this is ' +
      process.version +
      ' (' +
      process.execPath +
      ').\n' +
      'The repository brings its own as the devDependency "node", whose install script did not run' +
      ' (is ignore-scripts set in your npm settings?).\n' +
      'Way out: npm rebuild node --ignore-scripts=false   or any Node >= ' +
      FLOOR.join('.') +
      ' in your PATH.',
  )
  process.exit(1)
}

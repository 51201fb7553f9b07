#!/usr/bin/env node
import nodeModule from 'node:module'
import { requireNode } from './require-node.ts'

// Everything else is loaded only after the check, since an older Node could not even parse it.
if (requireNode()) {
  // What was compiled once is taken from a cache by the next start, also after kill -9: a tenth of a second less.
  nodeModule.enableCompileCache()
  const [{ main }, { processOutput }] = await Promise.all([import('./program.ts'), import('./output.ts')])
  nodeModule.flushCompileCache()
  process.exitCode = await main(process.argv.slice(2), processOutput())
}

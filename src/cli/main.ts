#!/usr/bin/env node
import { requireNode } from './require-node.ts'

// Everything else is loaded only after the check, since an older Node could not even parse it.
if (requireNode()) {
  const [{ main }, { processOutput }] = await Promise.all([import('./program.ts'), import('./output.ts')])
  process.exitCode = await main(process.argv.slice(2), processOutput)
}

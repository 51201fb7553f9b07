import { spawnSync } from 'node:child_process'

/** All gates, each in its own process; goes on after a failure, so that one run shows everything there is to do. */
const GATES = ['format:check', 'lint', 'types', 'tidy', 'unused', 'examples', 'api', 'test'] as const

const results = GATES.map((gate) => {
  console.log(`\n== ${gate}`)
  const started = performance.now()
  const { status } = spawnSync('npm', ['run', '--silent', gate], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  return { gate, passed: status === 0, seconds: (performance.now() - started) / 1000 }
})

console.log('')
for (const { gate, passed, seconds } of results) {
  console.log(`${passed ? 'ok    ' : 'FAILED'}  ${gate.padEnd(14)} ${seconds.toFixed(1)} s`)
}
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1

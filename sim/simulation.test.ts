import { expect, test } from 'vitest'
import { simulate } from './run.ts'

const SEEDS = 200
const CHUNK = 20

test('the same seed gives the same run, another seed another', () => {
  const digests = [1, 2, 1, 2].map((seed) => simulate({ seed, steps: 60 }).digest)
  expect(digests.slice(2)).toEqual(digests.slice(0, 2))
  expect(digests[0]).not.toBe(digests[1])
})

/** `SIM_SEED` chooses others. */
const first = Number(process.env['SIM_SEED'] ?? 1)
const chunks = Array.from({ length: SEEDS / CHUNK }, (_, index) => first + index * CHUNK)

test.each(chunks)(
  `${CHUNK} worlds keep every invariant, from seed %i on`,
  (from) => {
    let lives = 0
    let acknowledged = 0
    for (let seed = from; seed < from + CHUNK; seed += 1) {
      const report = simulate({ seed })
      const { failure } = report
      const where = `seed ${seed}, step ${failure?.step}, ${failure?.checker}: ${failure?.problem}`
      expect(failure, `${where}\n${failure?.history.join('\n')}`).toBeUndefined()
      lives += report.lives
      acknowledged += report.acknowledged
    }
    console.log(`seeds ${from} to ${from + CHUNK - 1}: ${lives} lives, ${acknowledged} records acknowledged`)
    // They are worlds in which something happens.
    expect(lives).toBeGreaterThan(CHUNK * 4)
    expect(acknowledged).toBeGreaterThan(CHUNK * 80)
  },
  60_000,
)

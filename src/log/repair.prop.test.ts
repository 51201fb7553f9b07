import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { batchBaseOffset, batchLastOffset, batchPositions, verifyBatch } from '../record/batch-header.ts'
import { decodeRecords } from '../record/batch-reader.ts'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogTopic } from './log.ts'
import { mendBatches } from './mend-batches.ts'
import { openLog } from './open.ts'
import { repairLog } from './repair.ts'
import { LogVerifier } from './verify.ts'

/** Somewhere in a file: places are parts of its length, so they mean something for each. */
interface Damage {
  readonly kind: 'flip' | 'zeros' | 'noise' | 'cut' | 'remove'
  readonly file: number
  readonly place: number
  readonly length: number
}

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('flip', 'zeros', 'noise', 'cut', 'remove'),
  file: fc.nat(1000),
  place: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.integer({ min: 1, max: 400 }),
})

function harm(bytes: Uint8Array, { kind, place, length }: Damage): Uint8Array {
  const at = Math.floor(place * bytes.length)
  if (kind === 'cut') return bytes.subarray(0, at)
  const result = bytes.slice()
  const end = Math.min(bytes.length, at + (kind === 'flip' ? 1 : length))
  for (let index = at; index < end; index += 1) {
    if (kind === 'flip') result[index] = (bytes[index] as number) ^ (1 << (length & 7))
    else result[index] = kind === 'zeros' ? 0 : (index * 7919 + length) & 0xff
  }
  return result
}

function batchOf(value: string, records: number): Uint8Array {
  const builder = new BatchBuilder(256)
  for (let index = 0; index < records; index += 1) builder.appendText(5, null, `${value}.${index}`)
  return builder.build()
}

test('mended bytes are a row of good batches with the same offsets, and lose only what does not hold', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(60)), { minLength: 1, maxLength: 8 }),
      fc.array(damage, { maxLength: 3 }),
      (shapes, damages) => {
        const rows: string[] = []
        let first = 100
        const parts = shapes.map(([records, length], index) => {
          const bytes = batchOf(`${index}`.padEnd(length, '-'), records)
          new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(first))
          for (const { value } of decodeRecords(bytes)) rows.push(Buffer.from(value ?? []).toString())
          first += records
          return bytes
        })
        const whole = new Uint8Array(Buffer.concat(parts))
        const bytes = new Uint8Array(whole.length)
        let harmed: Uint8Array = whole
        for (const each of damages) if (each.kind !== 'remove') harmed = harm(harmed, each)
        bytes.set(harmed)
        const before = bytes.slice()
        const mended = mendBatches(bytes, { first: 100, next: first, epochAt: () => 0 })

        let next = 100
        const found: string[] = []
        for (const at of batchPositions(bytes)) {
          expect(verifyBatch(bytes, at, bytes.length)).toBeUndefined()
          expect(batchBaseOffset(bytes, at)).toBe(next)
          next = batchLastOffset(bytes, at) + 1
        }
        for (const { offset, value } of decodeRecords(bytes)) {
          found.push(Buffer.from(value ?? []).toString())
          expect(rows[offset - 100]).toBe(found.at(-1))
        }
        expect(next).toBe(first)
        const lost = mended.reduce((sum, each) => sum + (each.restored ? 0 : each.next - each.first), 0)
        expect(rows.length - found.length).toBe(lost)
        // The originals put back give what was there.
        for (const { from, original } of [...mended].reverse()) bytes.set(original, from)
        expect(bytes).toEqual(before)
        if (Buffer.compare(whole, before) === 0) expect(mended).toEqual([])
      },
    ),
    { numRuns: 300 },
  )
})

const FOLDER = '/log'
const OPTIONS = { segmentFirstBytes: 900, verifyReads: true }

function filled(closed: boolean): SimSys {
  const sys = simSys(1)
  const log = openLog(sys, FOLDER, OPTIONS)
  log.createTopic('t', { partitions: 2, segmentBytes: 1500 }, () => {})
  const { id } = log.topic('t') as LogTopic
  for (let index = 0; index < 14; index += 1) {
    const bytes = batchOf(`${index}`.padEnd(index % 4 === 3 ? 500 : 40, '-'), 2)
    log.append([{ topic: id, partition: index % 2, bytes }], (error) => expect(error).toBeUndefined())
  }
  if (closed) log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  return closed ? sys : { ...sys, disk: sys.disk.restart(1, sys.time) }
}

function files(sys: SimSys, folder = FOLDER): string[] {
  return sys.disk.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`
    return sys.disk.size(path) === undefined ? files(sys, path) : [path]
  })
}

function contentOf(log: Log): string[][] {
  return log.topics().flatMap(({ partitions }) =>
    partitions.map((partition) => {
      const rows: string[] = []
      for (let from = partition.start; ; ) {
        const read = partition.read(from, 1 << 20)
        if (read === undefined) return rows
        for (const { offset, value } of decodeRecords(read.bytes))
          rows.push(`${offset}:${Buffer.from(value ?? []).toString()}`)
        from = read.next
      }
    }),
  )
}

test('whatever happens to the files, a repaired log opens, is good, and has nothing that was not there', () => {
  const whole = contentOf(openLog(filled(true), FOLDER, OPTIONS))
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), fc.boolean(), (damages, closed) => {
      const sys = filled(closed)
      for (const each of damages) {
        const paths = files(sys)
        const path = paths[each.file % paths.length] as string
        const file = sys.disk.open(path, 'write')
        const bytes = new Uint8Array(file.size())
        file.read(bytes, 0)
        const harmed = harm(bytes, each)
        file.truncate(harmed.length)
        if (harmed.length > 0) file.write(harmed, 0)
        file.syncNow()
        file.close()
        if (each.kind === 'remove') sys.disk.remove(path)
      }
      repairLog(sys, FOLDER)
      const log = openLog(sys, FOLDER, OPTIONS)
      for (const rows of contentOf(log)) {
        const partition = whole.find((known) => rows.every((row) => known.includes(row)))
        expect(partition).toBeDefined()
        expect(partition?.filter((row) => rows.includes(row))).toEqual(rows)
      }
      const verifier = new LogVerifier(log)
      while (verifier.step());
      expect(verifier.report().findings.filter(({ file }) => !file.endsWith('index'))).toEqual([])
      log.close((error) => expect(error).toBeUndefined())
    }),
    { numRuns: 250 },
  )
})

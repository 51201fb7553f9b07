import { expect, test } from 'vitest'
import { MillraceError } from '../base/errors.ts'
import type { ViewNode } from '../flow/graph/plan.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Progress } from './caught-up.ts'
import { parsePosition, positionText } from './position.ts'
import { ViewRegistry } from './view-registry.ts'
import { change } from './views-test-rows.ts'

class TestProgress implements Progress {
  readonly listeners = new Set<() => void>()
  position: number | undefined

  committed(topic: string, partition: number): number | undefined {
    return topic === 'clicks' && partition === 3 ? this.position : undefined
  }

  onCommit(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  commit(position: number): void {
    this.position = position
    for (const listener of this.listeners) listener()
  }
}

// The registry reads the name only: the rest of a plan is not its business.
const node = (name: string) => ({ kind: 'view', name }) as ViewNode

test('views are there before they are opened, and stay the same', () => {
  const views = new ViewRegistry(nodeSys(), ['a', 'b'])
  const early = views.view('a')
  expect(early.list()).toEqual([])
  const target = views.open(node('a'), 4)
  target.commit(0, [change('k', 1)], 1)
  expect(early.get('k')).toBe(1)
  views.open(node('c'), 1)
  expect(views.names).toEqual(['a', 'b', 'c'])
})

test('an unknown view is an error that names the known ones', () => {
  expect(() => new ViewRegistry(nodeSys(), ['a', 'b']).view('c')).toThrow(
    expect.objectContaining({
      code: 'MILLRACE_UNKNOWN_VIEW',
      message: 'there is no view "c"; there is: a, b',
    }),
  )
  expect(() => new ViewRegistry(nodeSys(), []).view('c')).toThrow(/this app has no views/)
})

test('caughtUp resolves when the commit covers the record, not before', async () => {
  const views = new ViewRegistry(nodeSys(), [])
  expect(() => views.caughtUp('clicks/3@17')).toThrow(/no app fills these views yet/)
  const progress = new TestProgress()
  views.follow(progress)
  let done = false
  const waiting = views.caughtUp('clicks/3@17', 5_000).then(() => {
    done = true
  })
  progress.commit(17)
  await Promise.resolve()
  expect(done).toBe(false)
  progress.commit(18)
  await waiting
  expect(progress.listeners.size).toBe(0)
  await views.caughtUp('clicks/3@17', 0)
})

test('caughtUp gives up with a time-out that says how far the app has come', async () => {
  const views = new ViewRegistry(nodeSys(), [])
  const progress = new TestProgress()
  views.follow(progress)
  await expect(views.caughtUp('clicks/3@17', 5)).rejects.toThrow(/nothing of that partition is committed/)
  progress.commit(7)
  await expect(views.caughtUp('clicks/3@17', 5)).rejects.toThrow(
    expect.objectContaining({
      code: 'MILLRACE_TIMEOUT',
      message: expect.stringContaining('it is at offset 7'),
    }),
  )
  expect(progress.listeners.size).toBe(0)
})

test('whoever waits hears that the app ended, and why', async () => {
  const views = new ViewRegistry(nodeSys(), ['a'])
  const progress = new TestProgress()
  views.follow(progress)
  const waiting = views.caughtUp('clicks/3@17')
  const change = views.view('a').changes().next()
  const failure = new MillraceError('MILLRACE_DISK', 'the disk is full')
  views.close(failure)
  await expect(waiting).rejects.toThrow(
    expect.objectContaining({
      code: 'MILLRACE_CLOSED',
      message: expect.stringContaining('the disk is full'),
    }),
  )
  await expect(change).rejects.toBe(failure)
  await expect(views.caughtUp('clicks/3@17')).rejects.toThrow(/the app ended/)
  expect(progress.listeners.size).toBe(0)
  progress.commit(18)
  await views.caughtUp('clicks/3@17')
})

test('positions are read strictly', () => {
  expect(parsePosition(positionText('a.b-c', 3, 17))).toEqual({
    name: 'a.b-c',
    partition: 3,
    offset: 17,
    index: 0,
  })
  expect(parsePosition(positionText('v', 0, 9, 4))).toEqual({ name: 'v', partition: 0, offset: 9, index: 4 })
  for (const text of [
    '',
    'clicks',
    'clicks/3',
    'clicks/3@',
    'clicks/03@1',
    'clicks/3@-1',
    'clicks/3@1.5',
    'clicks/3@1+0',
    'a/b/3@1',
    'clicks/3@9999999999999999',
    ' clicks/3@1',
  ]) {
    expect(() => parsePosition(text)).toThrow(/is no position/)
  }
})

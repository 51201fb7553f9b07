import { expect, test } from 'vitest'
import { ChangeHistory } from './change-history.ts'
import { MaterializedView, type ViewRowChange } from './materialized-view.ts'
import { RowMaps } from './row-maps.ts'
import { Subscription } from './subscription.ts'
import { ViewRow } from './view-row.ts'
import { change, restore } from './views-test-rows.ts'

function filled(rows: number): MaterializedView {
  const view = new MaterializedView('v')
  const changes = Array.from({ length: rows }, (_, index) =>
    change(`k${String(index).padStart(5, '0')}`, { index }),
  )
  view.commit(0, changes, 1)
  return view
}

async function next(changes: AsyncIterator<ViewRowChange>): Promise<ViewRowChange> {
  const result = await changes.next()
  if (result.done === true) throw new Error('the changes ended')
  return result.value
}

test('rows are read as they were committed, in a copy', () => {
  const view = new MaterializedView('v')
  view.commit(0, [change(['ann', 5], { deep: { text: 'ü' } })], 1)
  const row = view.get(['ann', 5]) as { deep: { text: string } }
  expect(row).toEqual({ deep: { text: 'ü' } })
  row.deep.text = 'changed'
  expect(view.get(['ann', 5])).toEqual({ deep: { text: 'ü' } })
  expect(view.get(['ann', 6])).toBeUndefined()
  expect(view.get('ann')).toBeUndefined()
})

test('ranges cross leaves in both directions', () => {
  const view = filled(3000)
  expect(view.list({ from: 'k01000', to: 'k02000' })).toHaveLength(1000)
  expect(view.list({ limit: 2, reverse: true })).toEqual([{ index: 2999 }, { index: 2998 }])
  expect(view.list({ prefix: 'k0299', limit: 100 })).toHaveLength(10)
  expect(view.list({ from: 'k02999' })).toEqual([{ index: 2999 }])
  expect(view.list({ to: 'k00001', reverse: true })).toEqual([{ index: 0 }])
  expect(view.list({ limit: 0 })).toEqual([])
  expect(() => view.list({ limit: Number.NaN })).toThrow(/limit is NaN/)
})

test('single inserts find their place among many, and removed keys may come back', () => {
  const view = filled(3000)
  expect(view.list({ limit: 1 })).toHaveLength(1)
  for (let index = 0; index < 900; index++) {
    view.commit(0, [change(`k${String(index * 3).padStart(5, '0')}x`, { extra: index })], 2)
    if (index % 50 === 0) view.list({ limit: 1 })
  }
  expect(view.list()).toHaveLength(3900)
  for (let index = 0; index < 2900; index++)
    view.commit(0, [change(`k${String(index).padStart(5, '0')}`, null)], 3)
  expect(view.list({ limit: 1 })).toEqual([{ extra: 0 }])
  view.commit(0, [change('k00001', { back: true })], 4)
  expect(view.list({ limit: 2 })).toEqual([{ extra: 0 }, { back: true }])
  expect(view.size).toBe(1001)
})

test('rows that come and go while nobody lists them leave nothing behind', () => {
  const view = new MaterializedView('v')
  for (let index = 0; index < 20_000; index++) {
    view.commit(0, [change(index, { index })], index)
    view.commit(0, [change(index, null)], index)
  }
  expect(view.size).toBe(0)
  expect(view.list()).toEqual([])
})

test('entries are those of the moment when they begin', () => {
  const view = filled(1000)
  const seen: unknown[] = []
  for (const [key, row] of view.entries({ from: 'k00001' })) {
    seen.push(key)
    expect(row).not.toBe('new')
    if (seen.length === 300)
      view.commit(0, [change('k00800', null), change('k00900', 'new'), change('z', 1)], 2)
  }
  expect(seen).toHaveLength(999)
})

test('whoever comes back gets what followed, also within a commit, and all rows where that is forgotten', async () => {
  const view = new MaterializedView('v')
  const first = view.changes()
  view.commit(0, [change('a', 1), change('b', 2), change('c', 3)], 10)
  view.commit(1, [change('d', 4)], 10)
  await next(first)
  const { position } = await next(first)
  expect(position).toBe('v/0@10+1')
  await first.return?.()
  view.commit(0, [change('a', null)], 20)
  const again = view.changes({ from: position })
  const kinds: string[] = []
  for (let count = 0; count < 3; count++) {
    const { kind, key } = await next(again)
    kinds.push(`${kind} ${String(key)}`)
  }
  expect(kinds).toEqual(['insert c', 'insert d', 'delete a'])
  const lost = view.subscribe({ from: 'v/0@9' })
  expect(lost.beginsWithRows).toBe(true)
  expect([lost.take(), lost.take(), lost.take(), lost.take()].map((row) => row?.key)).toEqual([
    'b',
    'c',
    'd',
    undefined,
  ])
  expect(() => view.changes({ from: 'w/0@10' })).toThrow(/is no position of view v/)
  expect(() => view.changes({ from: 'anywhere' })).toThrow(/is no position/)
})

test('a history forgets the oldest changes first', () => {
  const history = new ChangeHistory(1_000)
  const one = {
    key: 'a',
    storeKey: 'a',
    before: undefined,
    after: 'x'.repeat(100),
    timestamp: 0,
    partition: 0,
    index: 0,
  }
  for (let position = 1; position <= 50; position++) history.add({ ...one, position })
  expect(history.after(0, 50, 0)).toEqual([])
  expect(history.after(0, 48, 0)?.map(({ position }) => position)).toEqual([49, 50])
  expect(history.after(0, 40, 0)).toBeUndefined()
  expect(history.after(1, 48, 0)).toBeUndefined()
})

test('changes: insert, update, delete with before, after, position and time', async () => {
  const view = new MaterializedView('totals')
  const changes = view.changes()
  view.commit(2, [change('a', { n: 1 }, 5)], 10)
  view.commit(2, [change('a', { n: 2 }, 6)], 20)
  view.commit(2, [change('a', null, 7), change('never', null, 7)], 30)
  const base = { key: 'a' }
  expect(await next(changes)).toEqual({
    ...base,
    kind: 'insert',
    before: null,
    after: { n: 1 },
    position: 'totals/2@10',
    timestamp: 5,
  })
  expect(await next(changes)).toEqual({
    ...base,
    kind: 'update',
    before: { n: 1 },
    after: { n: 2 },
    position: 'totals/2@20',
    timestamp: 6,
  })
  expect(await next(changes)).toEqual({
    ...base,
    kind: 'delete',
    before: { n: 2 },
    after: null,
    position: 'totals/2@30',
    timestamp: 7,
  })
  const waiting = changes.next()
  view.commit(2, [change('b', 1)], 40)
  expect((await waiting).value).toMatchObject({ kind: 'insert', key: 'b' })
})

test('changes from the start begin with the rows, in order, then go on', async () => {
  const view = filled(3)
  const changes = view.changes({ from: 'start' })
  view.commit(0, [change('k00001', null)], 2)
  const kinds: string[] = []
  for (let count = 0; count < 4; count++) {
    const { kind, key } = await next(changes)
    kinds.push(`${kind} ${String(key)}`)
  }
  expect(kinds).toEqual(['insert k00000', 'insert k00001', 'insert k00002', 'delete k00001'])
})

test('the end of a subscription: by signal, by break, by close; each lets go of the view', async () => {
  const view = new MaterializedView('v')
  const controller = new AbortController()
  const aborted = view.changes({ signal: controller.signal })
  const pending = aborted.next()
  controller.abort()
  expect((await pending).done).toBe(true)
  expect(view.subscribers).toBe(0)

  const broken = view.changes()
  view.commit(0, [change('a', 1)], 1)
  for await (const _ of broken) break
  expect(view.subscribers).toBe(0)

  const closed = view.changes()
  view.commit(0, [change('a', 2)], 1)
  view.close()
  const seen: unknown[] = []
  for await (const { after } of closed) seen.push(after)
  expect(seen).toEqual([2])
  expect((await view.changes({ signal: AbortSignal.abort() }).next()).done).toBe(true)
  expect(view.subscribers).toBe(0)
})

test('restored rows reach those who began at the start, not those who follow from now', async () => {
  const view = new MaterializedView('v')
  view.open()
  const fromStart = view.changes({ from: 'start' })
  const fromNow = view.changes()
  restore(view, change('a', 1))
  view.commit(0, [change('b', 2)], 1)
  expect((await next(fromStart)).key).toBe('a')
  expect((await next(fromNow)).key).toBe('b')
})

test('restored rows are read, listed and replaced as committed ones are', async () => {
  const view = new MaterializedView('v')
  restore(view, change('b', { n: 'ü' }))
  restore(view, change('a', 1))
  restore(view, change('c', 1))
  restore(view, change('c', null))
  restore(view, change('a', 2))
  expect(view.list()).toEqual([2, { n: 'ü' }])
  expect(view.get('b')).toEqual({ n: 'ü' })
  const changes = view.changes()
  view.commit(0, [change('a', null), change('b', 5)], 1)
  expect(await next(changes)).toMatchObject({ kind: 'delete', before: 2 })
  expect(await next(changes)).toMatchObject({ kind: 'update', before: { n: 'ü' }, after: 5 })
  expect(view.size).toBe(1)
})

test('a view that is opened again is empty, and its subscribers hear it', async () => {
  const view = new MaterializedView('v')
  view.open()
  view.commit(0, [change('a', 1)], 1)
  const changes = view.changes()
  view.open()
  expect(view.size).toBe(0)
  expect(view.list()).toEqual([])
  await expect(changes.next()).rejects.toThrow(expect.objectContaining({ code: 'MILLRACE_CLOSED' }))
})

test('a slow subscriber gets one change a key, and one that is too slow an error', () => {
  const view = new MaterializedView('v')
  const slow = view.subscribe({ limits: { foldBytes: 2_000, bytesMax: 1_000_000 } })
  for (let index = 0; index < 1_000; index++) view.commit(0, [change(index % 3, { index })], index)
  let taken = 0
  while (slow.take() !== undefined) taken++
  expect(taken).toBeLessThan(20)
  expect(taken + slow.folded).toBe(1_000)

  const lost = view.subscribe({ limits: { foldBytes: 1_000, bytesMax: 10_000 } })
  for (let index = 0; index < 1_000; index++) view.commit(0, [change(index, { index })], index)
  expect(lost.take()).toBeUndefined()
  expect(lost.failure).toMatchObject({
    code: 'MILLRACE_CLOSED',
    message: expect.stringContaining('behind, the limit is 10000'),
  })
  expect(view.subscribers).toBe(1)
})

test('a subscriber that is always a little late keeps little', () => {
  const subscription = new Subscription({ foldBytes: 10_000, bytesMax: 100_000 }, () => undefined)
  const one = { key: 'a', storeKey: 'a', before: '1', after: '2', timestamp: 0, partition: 0, index: 0 }
  subscription.offer({ ...one, position: -1 })
  for (let position = 0; position < 5_000; position++) {
    subscription.offer({ ...one, position })
    expect(subscription.take()?.position).toBe(position - 1)
  }
  expect(subscription.folded).toBe(0)
})

test('a key in two partitions is a broken rule, not two rows', () => {
  const view = new MaterializedView('v')
  view.commit(0, [change('a', 1)], 1)
  expect(() => view.commit(1, [change('a', 2)], 1)).toThrow(
    /a key of a view has one partition: "a" of v is in 0 and 1/,
  )
})

test('a row of Maps: keys are found in whichever Map they are, room is used again', () => {
  const maps = new RowMaps(4)
  const row = (key: number) => new ViewRow(key, 0, 0)
  for (let key = 0; key < 10; key++) maps.add(key, row(key))
  maps.delete(1)
  maps.delete(42)
  maps.add(10, row(10))
  expect(maps.size).toBe(10)
  expect(maps.get(1)).toBeUndefined()
  for (const key of [0, 2, 9, 10]) expect(maps.get(key)?.key).toBe(key)
  maps.clear()
  expect(maps.size).toBe(0)
  expect(maps.get(9)).toBeUndefined()
})

test('the rows of a damaged snapshot go again: of one partition, and told to who began at the start', async () => {
  const view = new MaterializedView('v')
  view.open()
  const fromStart = view.changes({ from: 'start' })
  restore(view, change('a', 1), 0)
  restore(view, change('b', 2), 1)
  view.clear(0)
  restore(view, change('a', 3), 0)
  expect(view.list()).toEqual([3, 2])
  expect([...view.committedRows()].map(({ key, content }) => [key, content?.length])).toEqual([
    ['b', 1],
    ['a', 1],
  ])
  const kinds = []
  for (let index = 0; index < 4; index++) kinds.push((await next(fromStart)).kind)
  expect(kinds).toEqual(['insert', 'insert', 'delete', 'insert'])
})

test('rows are read for a snapshot over changes, also while one Map becomes many', () => {
  const maps = new RowMaps(4)
  const row = (key: number): ViewRow => {
    const made = new ViewRow(key, 0, 0)
    made.update('1', 0)
    return made
  }
  for (let key = 0; key < 4; key++) maps.add(key, row(key))
  const reading = maps.all()
  const seen = [reading.next().value?.key]
  for (let key = 4; key < 50; key++) maps.add(key, row(key))
  for (const { key } of reading) seen.push(key)
  expect(seen).toEqual(expect.arrayContaining([0, 1, 2, 3]))
  expect([...maps.all()]).toHaveLength(50)
})

/** Restores a row whose key is a text in ASCII, as from a block of a snapshot. */
function restoreText(view: MaterializedView, key: string, row: unknown, timestamp = 0, partition = 0): void {
  const block = Buffer.from(`#${key}${JSON.stringify(row)}#`)
  view.restoreText(partition, timestamp, block, 1, 1 + key.length, 1 + key.length, block.length - 1)
}

test('rows restored as bytes are read, counted, replaced, removed and listed as others', () => {
  const view = new MaterializedView('v')
  view.open()
  for (const key of ['c', 'a', 'b', 'd']) restoreText(view, key, { key })
  restoreText(view, 'a', 'new', 7)
  restore(view, change('b', null))
  restore(view, change('missing', null))
  restore(view, change('ä', 1))
  restore(view, change(['a', 2], 2))
  expect(view.size).toBe(5)
  expect(view.get('a')).toBe('new')
  expect(view.get('b')).toBeUndefined()
  expect(view.size).toBe(5)
  // Somebody has read a row: what is restored after that replaces it where it lies now.
  restoreText(view, 'a', 'newest', 8)
  restoreText(view, 'c', 'last')
  view.commit(0, [change('d', 'committed', 9), change('ä', null)], 1)
  expect([...view.entries()]).toEqual([
    ['a', 'newest'],
    ['c', 'last'],
    ['d', 'committed'],
    [['a', 2], 2],
  ])
  expect(view.size).toBe(4)
  view.open()
  expect(view.size).toBe(0)
  expect(view.list()).toEqual([])
})

test('restored rows are given to a snapshot once, while they are read, changed and listed', () => {
  const view = new MaterializedView('v')
  view.open()
  const count = 20_000
  for (let index = 0; index < count; index++) restoreText(view, `k${index}`, index, index)
  const seen = new Map<unknown, string>()
  let step = 0
  for (const { key, timestamp, content } of view.committedRows()) {
    seen.set(key, `${timestamp} ${String(content)}`)
    expect(view.get(`k${(step * 7) % count}`)).toBe((step * 7) % count)
    step += 1
    if (step === count / 2) expect(view.list({ limit: 1 })).toEqual([0])
  }
  expect(seen.size).toBe(count)
  expect(seen.get('k19999')).toBe('19999 19999')
})

test('a key that comes from two partitions is a fault, also among rows that nobody has read', () => {
  const view = new MaterializedView('v')
  view.open()
  restoreText(view, 'a', 1, 0, 0)
  expect(() => restoreText(view, 'a', 1, 0, 1)).toThrow('a key of a view has one partition: "a" of v')
  expect(() => restore(view, change('a', 1), 2)).toThrow('one partition')
})

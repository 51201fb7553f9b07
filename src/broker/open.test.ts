import { describe, expect, test } from 'vitest'
import { simSys } from '../sim/sim-sys.ts'
import { folderOf, openBroker } from './open.ts'

describe('a place', () => {
  test.each([
    ['file:./data', '/home/me/data'],
    ['file:data/log', '/home/me/data/log'],
    ['file:../x', '/home/x'],
    ['file:/var/data', '/var/data'],
    ['file:///var/data', '/var/data'],
  ])('%s is a folder', (place, folder) => {
    expect(folderOf(place, '/home/me')).toBe(folder)
  })

  test.each(['file:', 'data', '', 'file://host/x', 'http://x', 'memory:x'])('%j is none', (place) => {
    expect(() => openBroker(simSys(1), place)).toThrow(/is no place for data; use memory: or file:FOLDER/)
  })

  test('of Kafka is not supported, and says so', () => {
    expect(() => openBroker(simSys(1), 'kafka://localhost:9092')).toThrow(
      expect.objectContaining({ code: 'MILLRACE_UNSUPPORTED' }),
    )
  })

  test('a folder is held by one broker; memory by each its own', () => {
    const sys = simSys(1)
    const first = openBroker(sys, 'file:/data')
    expect(() => openBroker(sys, 'file:/data')).toThrow(expect.objectContaining({ code: 'MILLRACE_LOCKED' }))
    first.close(() => {})
    openBroker(sys, 'file:/data').close(() => {})
    openBroker(sys, 'memory:').createTopic('t', { partitions: 1 }, () => {})
    expect(openBroker(sys, 'memory:').topic('t')).toBeUndefined()
  })
})

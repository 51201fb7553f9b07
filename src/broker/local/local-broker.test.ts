import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { openLog } from '../../log/open.ts'
import { simSys } from '../../sim/sim-sys.ts'
import { MemoryDisk } from '../../sys/memory/memory-disk.ts'
import { nodeSys } from '../../sys/node/node-sys.ts'
import { brokerContract } from '../contract.ts'
import { openBroker } from '../open.ts'
import { LocalBroker } from './local-broker.ts'

brokerContract('local, in memory', () => {
  const sys = nodeSys({ disk: new MemoryDisk() })
  return { open: () => openBroker(sys, 'file:/data'), settle: async () => {}, end: () => {} }
})

brokerContract('local, on a simulated disk whose syncs take 3 ms', () => {
  const sys = simSys(1)
  sys.disk.delaySync(3)
  return {
    open: () => new LocalBroker(sys, openLog(sys, '/data'), { positionsBytesMax: 200 }),
    settle: async () => sys.time.advance(1),
    end: () => {},
  }
})

brokerContract('local, in a folder', () => {
  const folder = mkdtempSync(`${tmpdir()}/millrace-broker-`)
  const sys = nodeSys()
  return {
    open: () => openBroker(sys, `file:${folder}`),
    settle: () => new Promise((resolve) => setTimeout(resolve, 1)),
    end: () => rmSync(folder, { recursive: true }),
  }
})

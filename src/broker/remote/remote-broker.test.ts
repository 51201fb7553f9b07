import { brokerContract } from '../contract.ts'
import { RemoteTestWorld } from './remote-test-world.ts'

brokerContract('remote, over HTTP', () => {
  const world = new RemoteTestWorld()
  return {
    open: async () => {
      // What a restart leaves is what the app that holds the log leaves.
      await world.stop()
      await world.start()
      return world.connect()
    },
    settle: () => new Promise((resolve) => setTimeout(resolve, 1)),
    end: () => world.end(),
  }
})

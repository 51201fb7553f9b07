import type { EngineStatus } from 'millrace'

/** Waits until a running app has read everything that its topics hold. */
export async function untilRead(running: { status(): EngineStatus }, records: number): Promise<void> {
  for (;;) {
    const { inputs, state } = running.status()
    if (state === 'failed') throw new Error('the app failed')
    const read = inputs.reduce((total, input) => total + input.position, 0)
    if (read >= records && inputs.every(({ lag }) => lag === 0)) return
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

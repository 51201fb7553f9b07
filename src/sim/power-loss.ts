/** Thrown by a simulated disk at its power cut and by everything after it: no code may catch it and go on. */
export class PowerLoss extends Error {
  override readonly name = 'PowerLoss'

  constructor(operation: number) {
    super(`the simulated power failed at disk operation ${operation}`)
  }
}

/** A checker found what must not be. */
export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken'
  readonly checker: string

  constructor(checker: string, problem: string) {
    super(problem)
    this.checker = checker
  }
}

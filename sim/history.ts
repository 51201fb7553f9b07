/** What happened in a run, in order. Its end is printed with a failure; its digest tells whether two runs were the same. */
export class History {
  readonly #lines: string[] = []
  #digest = 0x811c9dc5

  note(line: string): void {
    this.#lines.push(line)
    for (let index = 0; index < line.length; index += 1) {
      this.#digest = Math.imul(this.#digest ^ line.charCodeAt(index), 0x01000193)
    }
  }

  end(lines: number): readonly string[] {
    return this.#lines.slice(-lines)
  }

  get digest(): string {
    return `${this.#lines.length}-${(this.#digest >>> 0).toString(16)}`
  }
}

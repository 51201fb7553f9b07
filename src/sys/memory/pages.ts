/**
 * The bytes of one file in memory, in pages of 64 KiB: appending never copies what is there. A page that was never
 * written reads as zeros and takes no memory.
 */
export const PAGE_BYTES = 65_536

export class Pages {
  #pages: (Uint8Array | undefined)[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  read(target: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(target.length, this.#size - position))
    for (let done = 0; done < length; ) {
      const at = position + done
      const inPage = at % PAGE_BYTES
      const count = Math.min(length - done, PAGE_BYTES - inPage)
      const page = this.#pages[Math.floor(at / PAGE_BYTES)]
      const held = page === undefined ? 0 : Math.max(0, Math.min(count, page.length - inPage))
      if (page !== undefined && held > 0) target.set(page.subarray(inPage, inPage + held), done)
      if (held < count) target.fill(0, done + held, done + count)
      done += count
    }
    return length
  }

  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const at = position + done
      const inPage = at % PAGE_BYTES
      const count = Math.min(bytes.length - done, PAGE_BYTES - inPage)
      this.#page(Math.floor(at / PAGE_BYTES), inPage + count).set(bytes.subarray(done, done + count), inPage)
      done += count
    }
    if (bytes.length > 0) this.#size = Math.max(this.#size, position + bytes.length)
  }

  truncate(size: number): void {
    if (size < this.#size) {
      this.#pages.length = Math.min(this.#pages.length, Math.ceil(size / PAGE_BYTES))
      // Growing again must show zeros, as a real file does.
      this.#pages[Math.floor(size / PAGE_BYTES)]?.fill(0, size % PAGE_BYTES)
    }
    this.#size = size
  }

  copy(): Pages {
    const copy = new Pages()
    copy.#pages = this.#pages.map((page) => page?.slice())
    copy.#size = this.#size
    return copy
  }

  /** The page, with room for `needed` bytes: small files take small pages, which double up to the full size. */
  #page(index: number, needed: number): Uint8Array {
    const page = this.#pages[index]
    if (page !== undefined && page.length >= needed) return page
    let length = page?.length ?? 1024
    while (length < needed) length *= 2
    const grown = new Uint8Array(Math.min(length, PAGE_BYTES))
    if (page !== undefined) grown.set(page)
    while (this.#pages.length < index) this.#pages.push(undefined)
    this.#pages[index] = grown
    return grown
  }
}

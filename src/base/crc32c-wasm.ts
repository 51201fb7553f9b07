/**
 * The loop that folds blocks for a checksum, as a WebAssembly module of 1.3 KB put together here, with no tool chain
 * behind it. What it computes is said in crc32c-folding.ts.
 *
 * Memory: the tables, then the input. The function takes the number of blocks, at least one, and leaves the last block,
 * to which all others were added, at the begin of the input.
 */

/** What is used of WebAssembly; the types that TypeScript has for it belong to browsers. */
interface Assembly {
  validate(bytes: Uint8Array): boolean
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { memory: { buffer: ArrayBuffer }; readonly fold: (blocks: number) => void } }
}

const PAGE_BYTES = 64 * 1024
const VECTOR_BYTES = 16
const BLOCK_BYTES = 128
const TABLES_BYTES = 512
const INPUT_BYTES = PAGE_BYTES - TABLES_BYTES

// The function's locals: two numbers, then vectors: a block, the half bytes of a group, and sixteen times 0x0f.
const BLOCKS_LEFT = 0
const POSITION = 1
const BLOCK = 2
const HALVES = 10
const LOW_HALF = 18
const VECTOR_LOCALS = 17

const I32 = 0x7f
const V128 = 0x7b
const NO_RESULT = 0x40
const BLOCK_START = 0x02
const LOOP_START = 0x03
const END = 0x0b
const BRANCH = 0x0c
const BRANCH_IF = 0x0d
const I32_IS_ZERO = 0x45
const I32_ADD = 0x6a
const I32_SUBTRACT = 0x6b
const get = (local: number): number[] => [0x20, local]
const set = (local: number): number[] => [0x21, local]
const keep = (local: number): number[] => [0x22, local]
/** Of numbers whose unsigned form is their signed one too: those used here. */
const i32 = (value: number): number[] => [0x41, ...unsigned(value)]

const vectorInstruction = (code: number): number[] => [0xfd, ...unsigned(code)]
const load = (offset: number): number[] => [...vectorInstruction(0), 4, ...unsigned(offset)]
const store = (offset: number): number[] => [...vectorInstruction(11), 4, ...unsigned(offset)]
const SPLAT_BYTE = vectorInstruction(0x0f)
const AND = vectorInstruction(0x4e)
const XOR = vectorInstruction(0x51)
const SHIFT_RIGHT = vectorInstruction(0x8d)
/** The relaxed one: for indices up to 15 it is the same, and one instruction instead of two. */
const SWIZZLE = vectorInstruction(0x100)

/** The room for the input, and the function; undefined where the process or the processor cannot run it. */
export function blockFolder(
  tables: Uint8Array,
): { readonly room: Uint8Array; readonly fold: (blocks: number) => void } | undefined {
  const assembly = (globalThis as { readonly WebAssembly?: Assembly }).WebAssembly
  const module = moduleBytes()
  if (assembly?.validate(module) !== true) return undefined
  try {
    const { memory, fold } = new assembly.Instance(new assembly.Module(module)).exports
    new Uint8Array(memory.buffer).set(tables)
    return { room: new Uint8Array(memory.buffer, TABLES_BYTES, INPUT_BYTES), fold }
  } catch (error) {
    // A process whose address space is limited cannot reserve what V8 wants for any memory.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function moduleBytes(): Uint8Array {
  const body = [2, 1, I32, VECTOR_LOCALS, V128, ...foldCode()]
  return Uint8Array.from([
    ...Buffer.from('\0asm'),
    ...[1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, I32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, 1, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('fold'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ])
}

function foldCode(): number[] {
  const vectors = [0, 1, 2, 3, 4, 5, 6, 7]
  return [
    ...[...i32(0x0f), ...SPLAT_BYTE, ...set(LOW_HALF)],
    ...vectors.flatMap((vector) => [...get(POSITION), ...load(inputAt(vector)), ...set(BLOCK + vector)]),
    ...[BLOCK_START, NO_RESULT, LOOP_START, NO_RESULT],
    ...[...get(BLOCKS_LEFT), ...i32(1), I32_SUBTRACT, ...keep(BLOCKS_LEFT), I32_IS_ZERO, BRANCH_IF, 1],
    ...[...get(POSITION), ...i32(BLOCK_BYTES), I32_ADD, ...set(POSITION)],
    ...foldGroup(0),
    ...foldGroup(1),
    ...[BRANCH, 0, END, END],
    ...vectors.flatMap((vector) => [...i32(0), ...get(BLOCK + vector), ...store(inputAt(vector))]),
    END,
  ]
}

/** Four vectors of the block become those of the next block plus what their half bytes add to them. */
function foldGroup(first: 0 | 1): number[] {
  const halves = [0, 1, 2, 3].flatMap((index) => {
    const vector = get(BLOCK + first + 2 * index)
    return [
      ...[...vector, ...get(LOW_HALF), ...AND, ...set(HALVES + 2 * index)],
      ...[...vector, ...i32(4), ...SHIFT_RIGHT, ...get(LOW_HALF), ...AND, ...set(HALVES + 2 * index + 1)],
    ]
  })
  const results = [0, 1, 2, 3].flatMap((index) => {
    const lookUps = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((half) => [
      ...[...i32(0), ...load((4 * half + index) * VECTOR_BYTES)],
      ...[...get(HALVES + half), ...SWIZZLE, ...XOR],
    ])
    const vector = first + 2 * index
    return [...get(POSITION), ...load(inputAt(vector)), ...lookUps, ...set(BLOCK + vector)]
  })
  return [...halves, ...results]
}

function inputAt(vector: number): number {
  return TABLES_BYTES + vector * VECTOR_BYTES
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)]
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

import { MillraceError } from '../base/errors.ts'
import { type Format, formatFor, type Output, printRow, printRows, type Row } from './output.ts'
import { ask, runningAppAt } from './target.ts'

interface ViewOptions {
  readonly at: string
  readonly format?: Format
}

/** `millrace views` */
export async function listViews(options: ViewOptions, output: Output): Promise<void> {
  const response = await ask(await runningApp(options.at), '/views')
  printRows(output, (await response.json()) as Row[], formatFor(output, options.format))
}

/** `millrace view get NAME KEY...` */
export async function getRow(
  name: string,
  key: readonly string[],
  options: ViewOptions,
  output: Output,
): Promise<void> {
  const path = `/views/${encodeURIComponent(name)}/${key.map(encodeURIComponent).join('/')}`
  const response = await ask(await runningApp(options.at), path)
  printRow(output, await response.json(), formatFor(output, options.format))
}

interface ListRowsOptions extends ViewOptions {
  readonly prefix?: readonly string[]
  readonly limit?: number
  readonly reverse?: true
}

/** `millrace view list NAME`: page by page; as JSON lines a large view needs no memory. */
export async function listRows(name: string, options: ListRowsOptions, output: Output): Promise<void> {
  const url = await runningApp(options.at)
  const query = new URLSearchParams()
  if (options.prefix !== undefined) query.set('prefix', prefixText(options.prefix))
  if (options.reverse === true) query.set('reverse', 'true')
  let left = options.limit ?? Number.POSITIVE_INFINITY
  let path: string | undefined = `/views/${encodeURIComponent(name)}?${query.toString()}`
  const format = formatFor(output, options.format)
  const rows: Row[] = []
  while (path !== undefined && left > 0 && !output.gone.aborted) {
    const response: Response = await ask(url, path)
    const page = ((await response.json()) as Row[]).slice(0, left)
    left -= page.length
    if (format === 'jsonl') printRows(output, page, format)
    else for (const row of page) rows.push(row)
    path = /^<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1]
  }
  printRows(output, rows, format)
}

/** `millrace view watch NAME`: a JSON line for each change, until Ctrl-C. */
export async function watchView(
  name: string,
  options: { readonly at: string },
  output: Output,
): Promise<void> {
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  const path = `/views/${encodeURIComponent(name)}/changes`
  const signal = AbortSignal.any([stopping.signal, output.gone])
  const response = await ask(await runningApp(options.at), path, { signal })
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of response.body ?? []) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines)
        if (line.startsWith('data: ')) output.write(`${line.slice('data: '.length)}\n`)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Several words are the first elements of a tuple. */
function prefixText(words: readonly string[]): string {
  return words.length === 1 ? (words[0] ?? '') : JSON.stringify(words)
}

/** Views live in a running app: its URL. */
async function runningApp(at: string): Promise<string> {
  const url = runningAppAt(at)
  if (url !== undefined) return url
  const way = 'start it with `millrace run FILE`, in another terminal'
  throw new MillraceError('MILLRACE_CLOSED', `no app runs on ${at}, and views live in a running app: ${way}`)
}

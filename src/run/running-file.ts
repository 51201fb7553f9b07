import type { OpenPlace } from './place.ts'

/** Name of the file in which a running app says where it can be reached. Only the lock says whether it runs. */
const RUNNING_FILE = 'running.json'

/** Writes where the app that holds this directory answers, for commands that find the directory held. */
export function announce(place: OpenPlace, url: string | undefined): void {
  if (place.folder === undefined) return
  const { disk } = place.sys
  const path = `${place.folder}/${RUNNING_FILE}`
  disk.remove(path)
  if (url === undefined) return
  const file = disk.open(path, 'create')
  file.write(Buffer.from(JSON.stringify({ url })), 0)
  file.close()
}

/** The URL of the app that holds a directory; undefined when it serves no HTTP. */
export function announcedUrl(place: OpenPlace): string | undefined {
  const path = `${place.folder}/${RUNNING_FILE}`
  const size = place.sys.disk.size(path)
  if (size === undefined || size === 0) return undefined
  const bytes = Buffer.alloc(size)
  const file = place.sys.disk.open(path, 'read')
  file.read(bytes, 0)
  file.close()
  const { url } = JSON.parse(bytes.toString('utf8')) as { url?: string }
  return url
}

import { resolve } from 'node:path'
import { answered } from '../base/answered.ts'
import { ERROR_CODES, type ErrorCode, isMillraceError, MillraceError } from '../base/errors.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { openBroker } from '../broker/open.ts'
import { connectToApp, isAppUrl } from '../run/app-connection.ts'
import { type OpenPlace, openPlace } from '../run/place.ts'
import { announce, announcedUrl } from '../run/running-file.ts'
import type { Sys } from '../sys/sys.ts'

/** What a command talks to: the log in a directory, or that of the app that holds the directory. */
export interface Target extends AsyncDisposable {
  readonly sys: Sys
  readonly broker: FullBroker
  /** Of the app; undefined: the directory itself. What only an app knows (schemas, views) is asked for there. */
  readonly url: string | undefined
}

/** So long a command waits for an app that went away while it was reading. */
const PATIENCE_MS = 10_000

/**
 * @param at `file:FOLDER`, `memory:`, or the URL of a running app.
 * Throws MILLRACE_FILE when there is no data and none is to be made, MILLRACE_LOCKED when another process holds the
 * directory and serves no HTTP, MILLRACE_CONNECTION when nothing answers.
 */
export async function openTarget(at: string, { make = false } = {}): Promise<Target> {
  if (isAppUrl(at)) return appTarget(at)
  const place = make ? openPlace(at, resolve('.')) : existingPlace(at)
  const broker = openUnlessHeld(place)
  if (broker === undefined) return appTarget(urlOf(place, at))
  // Whoever held it before and was killed may have left its URL.
  announce(place, undefined)
  return { sys: place.sys, broker, url: undefined, [Symbol.asyncDispose]: () => closed(broker) }
}

/** The URL of the app that runs on a place; undefined: none does. */
export function runningAppAt(at: string): string | undefined {
  if (isAppUrl(at)) return at.replace(/\/$/, '')
  const place = openPlace(at, resolve('.'))
  if (!holdsData(place)) return undefined
  const broker = openUnlessHeld(place)
  if (broker === undefined) return urlOf(place, at)
  broker.close(() => undefined)
  return undefined
}

/** A misspelled place must not look like an empty one, nor become one. @throws MillraceError MILLRACE_FILE. */
export function existingPlace(at: string): OpenPlace {
  const place = openPlace(at, resolve('.'))
  if (holdsData(place)) return place
  const problem = `there is no data directory at ${at} (${place.folder})`
  const way =
    'give its place with --at file:FOLDER; `millrace run` and `millrace topic create` make a new one'
  throw new MillraceError('MILLRACE_FILE', `${problem}: ${way}`)
}

function holdsData({ folder, sys }: OpenPlace): boolean {
  return folder === undefined || sys.disk.exists(`${folder}/log`)
}

async function appTarget(url: string): Promise<Target> {
  const { sys, broker } = await connectToApp(url, PATIENCE_MS)
  return { sys, broker, url: url.replace(/\/$/, ''), [Symbol.asyncDispose]: () => closed(broker) }
}

async function closed(broker: FullBroker): Promise<void> {
  await answered<void>((answer) => broker.close(answer))
}

function openUnlessHeld({ sys, url }: OpenPlace): FullBroker | undefined {
  try {
    return openBroker(sys, url)
  } catch (error) {
    if (isMillraceError(error) && error.code === 'MILLRACE_LOCKED') return undefined
    throw error
  }
}

/** @throws MillraceError MILLRACE_LOCKED. */
function urlOf(place: OpenPlace, at: string): string {
  const url = announcedUrl(place)
  if (url !== undefined) return url
  const way = 'run that app without --no-http, or stop it'
  throw new MillraceError('MILLRACE_LOCKED', `${at} is held by a running app that serves no HTTP: ${way}`)
}

/** Asks a running app, and turns its errors into ours. */
export async function ask(url: string, path: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(`${url}${path}`, init)
  if (response.ok) return response
  const body = await response.text()
  const { code, message = `${url}${path} answered ${response.status}: ${body}` } = problemOf(body)
  throw new MillraceError(code ?? 'MILLRACE_INVALID_ARGUMENT', message)
}

/** What an answer says that went wrong, with the code that the command would have met on a directory. */
function problemOf(body: string): { readonly code?: ErrorCode; readonly message?: string } {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: string; message?: string } }
    const { code, message } = error ?? {}
    return {
      ...(code !== undefined && code in ERROR_CODES ? { code: code as ErrorCode } : {}),
      ...(message === undefined ? {} : { message }),
    }
  } catch {
    return {}
  }
}

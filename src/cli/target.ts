import { resolve } from 'node:path'
import { answered } from '../base/answered.ts'
import { ERROR_CODES, type ErrorCode, isMillraceError, MillraceError } from '../base/errors.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { openBroker } from '../broker/open.ts'
import { openPlace } from '../run/place.ts'
import { announcedUrl } from '../run/running-file.ts'
import type { Sys } from '../sys/sys.ts'

/**
 * What a command talks to: the directory itself, or the app that holds it. `kind` says which.
 */
export type Target =
  | { readonly kind: 'directory'; readonly sys: Sys; readonly broker: FullBroker; close(): Promise<void> }
  | { readonly kind: 'app'; readonly url: string; close(): Promise<void> }

/** @throws MillraceError MILLRACE_LOCKED when another process holds the directory and serves no HTTP. */
export function openTarget(at: string): Target {
  const place = openPlace(at, resolve('.'))
  try {
    const broker = openBroker(place.sys, place.url)
    return {
      kind: 'directory',
      sys: place.sys,
      broker,
      close: () => answered<void>((answer) => broker.close(answer)),
    }
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'MILLRACE_LOCKED') throw error
    const url = announcedUrl(place)
    if (url !== undefined) return { kind: 'app', url, close: async () => undefined }
    const way = 'run that app without --no-http, or stop it'
    throw new MillraceError('MILLRACE_LOCKED', `${at} is held by a running app that serves no HTTP: ${way}`, {
      cause: error,
    })
  }
}

/** What a command needs that speaks to a broker. */
export interface BrokerTarget extends AsyncDisposable {
  readonly sys: Sys
  readonly broker: FullBroker
}

/** @throws MillraceError MILLRACE_LOCKED when another process holds the directory. */
export function openBrokerTarget(at: string): BrokerTarget {
  const target = openTarget(at)
  if (target.kind === 'directory') {
    const { sys, broker } = target
    return { sys, broker, [Symbol.asyncDispose]: () => target.close() }
  }
  throw new MillraceError(
    'MILLRACE_LOCKED',
    `${at} is held by the app at ${target.url}: stop it for this command`,
  )
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

import { answered } from '../base/answered.ts'
import { MillraceError } from '../base/errors.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { openRemoteBroker } from '../broker/remote/remote-broker.ts'
import { NodeHttp, thisProcess } from '../sys/node/node-http.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Sys } from '../sys/sys.ts'

/** Whether a place is the URL of a running app. */
export function isAppUrl(at: string): boolean {
  return /^https?:/.test(at)
}

/**
 * The broker of a running app.
 * Throws MILLRACE_CONNECTION when nothing answers, MILLRACE_UNSUPPORTED for something else than an app of this version.
 */
export async function connectToApp(
  at: string,
  patienceMs?: number,
): Promise<{ readonly sys: Sys; readonly broker: FullBroker }> {
  const url = originOf(at)
  const sys = nodeSys()
  const patience = patienceMs === undefined ? {} : { patienceMs }
  const options = { sys, url, http: new NodeHttp(), host: `http:${thisProcess()}`, ...patience }
  return { sys, broker: await answered<FullBroker>((answer) => openRemoteBroker(options, answer)) }
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
function originOf(at: string): string {
  const url = URL.canParse(at) ? new URL(at) : undefined
  const plain = url?.protocol === 'http:' && url.pathname === '/' && url.search === '' && url.hash === ''
  if (plain) return url.origin
  const problem = `${JSON.stringify(at)} is no URL of a running app`
  throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `${problem}: expected http://127.0.0.1:PORT`)
}

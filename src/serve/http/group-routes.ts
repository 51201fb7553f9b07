import { MillraceError } from '../../base/errors.ts'
import type { AppFacade } from './app-facade.ts'
import type { HttpExchange } from './http-exchange.ts'

/** `GET /groups` */
export function listGroups(app: AppFacade, exchange: HttpExchange): void {
  exchange.json(
    app.groups.list().map((group) => {
      const positions = app.groups.describe(group.group)?.positions ?? []
      return { ...group, partitions: positions.length, lag: positions.reduce((sum, { lag }) => sum + lag, 0) }
    }),
  )
}

/** `GET /groups/NAME` */
export function describeGroup(app: AppFacade, exchange: HttpExchange): void {
  const name = exchange.segment(1)
  const group = app.groups.describe(name)
  if (group === undefined) {
    const names = app.groups.list().map((one) => one.group)
    const known = names.join(', ') || 'none'
    throw new MillraceError('MILLRACE_UNKNOWN_GROUP', `there is no group ${name}; there is: ${known}`)
  }
  exchange.json(group)
}

/** Names of the topics that the system makes for an app: of its name and the step's, and of nothing that can move. */
export function storeChangelog(app: string, store: string): string {
  return `${app}-${store}-changelog`
}

export function viewChangelog(app: string, view: string): string {
  return `${app}-${view}-view`
}

export function planTopic(app: string): string {
  return `${app}-plan`
}

/** Where the app notes that it went on without an empty input (SEMANTICS 1.5). */
export function marksTopic(app: string): string {
  return `${app}-marks`
}

/** Changelog of what the engine keeps for itself: operator time, positions of sources, marks of sinks. */
export function engineTopic(app: string): string {
  return `${app}-engine`
}

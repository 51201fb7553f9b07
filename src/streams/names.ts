import { MillraceError } from '../base/errors.ts'
import { shownValue } from '../base/shown-value.ts'

/** Kafka's rule for names of topics: whatever has a name may get topics of its own that derive from it. */
const NAME = /^[a-zA-Z0-9._-]+$/

/** Kafka allows 249; the rest is for what internal topics add to the names of app and step. */
export const NAME_LENGTH_MAX = 100
export const TOPIC_NAME_LENGTH_MAX = 249

/** @param what the thing that is named, for the message: 'topic', 'step', 'app', 'leaf'. */
export function checkName(what: 'topic' | 'step' | 'app' | 'leaf', name: string): string {
  const lengthMax = what === 'topic' ? TOPIC_NAME_LENGTH_MAX : NAME_LENGTH_MAX
  if (
    typeof name !== 'string' ||
    !NAME.test(name) ||
    name === '.' ||
    name === '..' ||
    name.length > lengthMax
  ) {
    throw new MillraceError(
      'MILLRACE_INVALID_PLAN',
      `${shownValue(name)} is no name for ${what === 'app' ? 'an' : 'a'} ${what}: a name has 1 to ${lengthMax} ` +
        `letters (a-z, A-Z), digits, dots, dashes or underscores, and is not '.' or '..'`,
    )
  }
  return name
}

/**
 * JSON of about 180 bytes: an event of one of `keys` users, of which `perSecond` happen in a second of event time. The
 * same arguments give the same event.
 */
export function event(index: number, keys: number, perSecond = 500): string {
  const user = Math.imul(index, 0x9e3779b1) >>> 0
  const at = 1_700_000_000_000 + Math.floor((index * 1_000) / perSecond)
  return `{"user":"user-${String(user % keys).padStart(7, '0')}","page":"/products/${user % 997}","referrer":"https://example.org/search?q=${user % 89}","amount":${user % 10_000},"country":"DE","session":"s-${user}","at":${at}}`
}

/**
 * The way from a port that answers by a callback to a promise, for those who may wait: what an answer brings, or its
 * error. An answer without an error has its value, which of a void answer is undefined.
 */
export function answered<T>(
  ask: (answer: (error: Error | undefined, value: T | undefined) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    ask((error, value) => {
      if (error === undefined) resolve(value as T)
      else reject(error)
    })
  })
}

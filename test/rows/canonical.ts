/** The canonical form of rows: JSON arrays without spaces, non-ASCII escaped, the lines sorted bytewise. */
export function canonical(rows: readonly (readonly unknown[])[]): string {
  const lines = rows.map((row) => JSON.stringify(row).replace(/[\u007f-\uffff]/g, escape))
  // The text is ASCII now, so the order of code units is the order of bytes.
  return lines
    .sort()
    .map((line) => `${line}\n`)
    .join('')
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

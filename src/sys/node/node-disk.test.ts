import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { NodeDisk } from './node-disk.ts'

test('a folder where a file is wanted: what is wrong, once', () => {
  const folder = mkdtempSync(`${tmpdir()}/millrace-node-disk-`)
  try {
    expect(() => new NodeDisk().open(folder, 'write')).toThrow(
      expect.objectContaining({
        code: 'MILLRACE_DISK',
        message: `cannot open ${folder}: it is a folder (EISDIR)`,
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

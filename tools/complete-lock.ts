import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes into package-lock.json the packages for other platforms that npm left out: it does so when the lock grew on a
 * machine whose registry does not have them, and then `npm ci` of npm 11 refuses the lock ("Missing: ... from lock
 * file") and other platforms install no binary. An entry needs no integrity; npm skips it where `os` or `cpu` differ.
 *
 *   node tools/complete-lock.ts     after every `npm install` that adds or updates a package
 */

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

type Packages = Readonly<Record<string, LockedPackage>>

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openbsd', 'openharmony', 'sunos', 'win32'] as const
const PROCESSORS = ['arm64', 'arm', 'ia32', 'x64', 'ppc64', 'riscv64', 's390x', 'loong64'] as const
const EXACT_VERSION = /^\d+\.\d+\.\d+[^\s|]*$/

/** All packages of a lock, with an entry for every optional dependency of a known platform that has none. */
export function completePackages(packages: Packages): Packages {
  const added = Object.values(packages).flatMap((owner) =>
    Object.entries(owner.optionalDependencies ?? {}).flatMap(
      ([name, version]): readonly [string, LockedPackage][] => {
        const path = `node_modules/${name}`
        const platform = platformOf(name)
        if (packages[path] !== undefined || platform === null || !EXACT_VERSION.test(version)) return []
        return [
          [path, { version, ...platform, ...(owner.dev === true ? { dev: true } : {}), optional: true }],
        ]
      },
    ),
  )
  const [root, ...others] = Object.entries(packages)
  const sorted = [...others, ...added].sort(([one], [other]) => one.localeCompare(other, 'en'))
  return Object.fromEntries(root === undefined ? sorted : [root, ...sorted])
}

/** Names of such packages end in their platform: 'cli-darwin-arm64', 'binding-linux-x64-musl', 'android-arm-eabi'. */
function platformOf(
  name: string,
): { readonly cpu: readonly string[]; readonly os: readonly string[] } | null {
  const parts = name.split(/[/-]/)
  if (parts.includes('wasm32')) return { cpu: ['wasm32'], os: ['none'] }
  const os = SYSTEMS.find((system) => parts.includes(system))
  const cpu = PROCESSORS.find((processor) => parts.includes(processor))
  if (os === undefined) return null
  // Without a processor in its name a package is for all of them, or for one that npm has no word for.
  return { cpu: cpu === undefined ? [...PROCESSORS] : [cpu], os: [os] }
}

if (import.meta.main) {
  const file = join(import.meta.dirname, '../package-lock.json')
  const lock = JSON.parse(readFileSync(file, 'utf8')) as { readonly packages: Packages }
  const packages = completePackages(lock.packages)
  writeFileSync(file, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`)
  const count = Object.keys(packages).length - Object.keys(lock.packages).length
  console.log(`${count} packages for other platforms added`)
}

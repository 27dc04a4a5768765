// Compiles the contracts and writes generated/contracts/<Name>.json {abi, bytecode}; does nothing when the sources,
// the settings and the compiler are those of the last run.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const NAMES = ['IdentityRegistry', 'ConsentRegistry', 'RecordAnchors', 'AuditLog', 'ProxyRegistry']

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = join(root, 'generated', 'contracts')
const stamp = join(target, '.sources')
const require = createRequire(import.meta.url)

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? sources(path) : entry.name.endsWith('.sol') ? [path] : []
    })
    .sort()
}

function digest() {
  const hash = createHash('sha256')
  const files = [...sources(join(root, 'contracts')), join(root, 'foundry.toml'), fileURLToPath(import.meta.url)]
  for (const file of files) hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0')
  for (const name of ['solc', '@openzeppelin/contracts'])
    hash.update(`${name}@${JSON.parse(readFileSync(require.resolve(`${name}/package.json`), 'utf8')).version}\0`)
  return hash.digest('hex')
}

/** Atomic, so that a reader in another process never sees half a file. */
function write(path, text) {
  writeFileSync(`${path}.${process.pid}`, text)
  renameSync(`${path}.${process.pid}`, path)
}

const current = digest()
const made = NAMES.every((name) => existsSync(join(target, `${name}.json`)))
if (!made || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== current) {
  const bin = join(root, 'node_modules', '.bin')
  execFileSync(join(bin, 'forge'), ['build', '--skip', 'test', '--quiet'], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
  })
  mkdirSync(target, { recursive: true })
  for (const name of NAMES) {
    const { abi, bytecode } = JSON.parse(readFileSync(join(root, 'out', `${name}.sol`, `${name}.json`), 'utf8'))
    write(join(target, `${name}.json`), JSON.stringify({ abi, bytecode: bytecode.object }))
  }
  write(stamp, current)
}

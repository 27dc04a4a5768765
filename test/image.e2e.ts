import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { end } from './support/gateway.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const image = mkdtempSync(join(tmpdir(), 'consentry-image-'))
const data = mkdtempSync(join(tmpdir(), 'consentry-image-data-'))
afterAll(() => {
  for (const folder of [image, data]) rmSync(folder, { recursive: true, force: true })
})

it('starts from what the Dockerfile copies into the image, and has its definitions with it', async () => {
  const copied = [...readFileSync(join(root, 'Dockerfile'), 'utf8').matchAll(/^COPY --from=build (.+) \S+$/gm)]
    .flatMap(([, from = '']) => from.split(' '))
    .map((path) => basename(path))
  expect(copied).toContain('dist')
  for (const name of copied) {
    if (name === 'node_modules') symlinkSync(join(root, name), join(image, name))
    else cpSync(join(root, name), join(image, name), { recursive: true })
  }
  const child = spawn(process.execPath, ['dist/src/main.js'], {
    cwd: image,
    env: { PATH: process.env['PATH'], CONSENTRY_DATA: data, PORT: '0', EMBEDDED_PROXIES: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    let fhir: string | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      fhir = /ready: (\S+)/.exec(line)?.[1]
      if (fhir !== undefined) break
    }
    const statement = await fetch(`${fhir}/metadata`)
    expect(await statement.text()).toContain('OperationDefinition/Consent-sign')
  } finally {
    await end(child, 'SIGTERM')
  }
})

it('imports nothing at run time that only development installs', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const compiled = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.js'),
  )
  expect(compiled.length).toBeGreaterThan(300)
  const packages = compiled.flatMap((name) =>
    [
      ...readFileSync(join(root, 'dist', name), 'utf8').matchAll(
        /^(?:import|export)\b[^'";`]* from '([^.'][^']*)';?$|^import '([^.'][^']*)';?$/gm,
      ),
    ].map(([, from, alone]) => /^(?:@[^/]+\/)?[^/]+/.exec(from ?? alone ?? '')?.[0] ?? ''),
  )
  expect(packages).toContain('ethers')
  const missing = [...new Set(packages)].filter((name) => !name.startsWith('node:') && !(name in dependencies))
  expect(missing).toEqual([])
})

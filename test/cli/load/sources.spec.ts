import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findSources } from '../../../src/cli/load/sources.js'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'consentry-sources-'))
  for (const folder of ['elsewhere', 'loaded/deeper']) mkdirSync(join(directory, folder), { recursive: true })
  for (const file of ['elsewhere/a.json', 'elsewhere/b.ndjson', 'loaded/c.json', 'loaded/deeper/d.json']) write(file)
})
afterEach(() => rmSync(directory, { recursive: true }))

const write = (file: string) => writeFileSync(join(directory, file), '{}')
const link = (at: string, to: string) => symlinkSync(join(directory, to), join(directory, at))
const found = async (folder: string) =>
  (await findSources([join(directory, folder)])).map(({ path }) => relative(directory, path))

describe('what a folder has to load', () => {
  it('is in the folders below as well, and nothing but Bundles and ndjson', async () => {
    write('loaded/readme.txt')
    expect(await found('loaded')).toEqual(['loaded/c.json', 'loaded/deeper/d.json'])
  })

  it('may be a link to a file or to a folder, also to one that leads back', async () => {
    link('loaded/a.json', 'elsewhere/a.json')
    link('loaded/linked', 'elsewhere')
    link('elsewhere/back', 'loaded')
    expect(await found('loaded')).toEqual([
      'loaded/a.json',
      'loaded/c.json',
      'loaded/deeper/d.json',
      'loaded/linked/a.json',
      'loaded/linked/b.ndjson',
    ])
  })

  it('is refused by name where a link leads nowhere', async () => {
    link('loaded/gone.json', 'nowhere.json')
    await expect(found('loaded')).rejects.toThrow('gone.json is a link to what does not exist.')
  })
})

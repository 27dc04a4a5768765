import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Keystore } from '../../src/vault/keystore.js'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'consentry-keystore-'))
  path = join(directory, 'deep', 'keystore.json')
})
afterEach(() => rm(directory, { recursive: true }))

it('keeps named secrets from one start to the next, in a file that only its owner reads', async () => {
  const [master, operator] = [randomBytes(32), randomBytes(200)]
  const first = await Keystore.open(path, 'correct horse')
  expect(first.names()).toEqual([])
  await first.set('master', master)
  await Promise.all([first.set('operator', operator), first.set('passing', randomBytes(5))])
  await first.delete('passing')

  const second = await Keystore.open(path, 'correct horse')
  expect(second.names()).toEqual(['master', 'operator'])
  expect(Buffer.from(second.get('master')!)).toEqual(master)
  expect(Buffer.from(second.get('operator')!)).toEqual(operator)
  expect(second.get('nothing')).toBeUndefined()
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(directory, 'deep'))).toEqual(['keystore.json'])
  const text = await readFile(path, 'latin1')
  for (const clue of ['master', 'operator', master.toString('base64')]) expect(text).not.toContain(clue)
})

it('says clearly that the passphrase is wrong, and does not touch the file', async () => {
  const store = await Keystore.open(path, 'right')
  await store.set('master', randomBytes(32))
  const before = await readFile(path)
  const refused = Keystore.open(path, 'wrong')
  await expect(refused).rejects.toMatchObject({
    kind: 'forbidden',
    message: expect.stringContaining('passphrase') as string,
  })
  expect(await readFile(path)).toEqual(before)
})

it('refuses a file that was altered or is something else', async () => {
  const store = await Keystore.open(path, 'right')
  await store.set('master', randomBytes(32))
  const file = JSON.parse(await readFile(path, 'utf8')) as { sealed: string }
  const sealed = Buffer.from(file.sealed, 'base64')
  sealed[sealed.length - 1]! ^= 1
  await writeFile(path, JSON.stringify({ ...file, sealed: sealed.toString('base64') }))
  await expect(Keystore.open(path, 'right')).rejects.toMatchObject({ kind: 'forbidden' })
  for (const text of ['', '{}', 'null', '{"version":2,"kdf":"scrypt","salt":"","sealed":""}']) {
    await writeFile(path, text)
    await expect(Keystore.open(path, 'right')).rejects.toMatchObject({ kind: 'integrity' })
  }
})

it('makes a secret once, whoever asks at the same time', async () => {
  const store = await Keystore.open(path, 'right')
  let made = 0
  const asked = Array.from({ length: 5 }, () => store.getOrCreate('index', () => Uint8Array.of(++made)))
  expect(new Set((await Promise.all(asked)).map(([byte]) => byte))).toEqual(new Set([1]))
  expect(made).toBe(1)
  expect((await Keystore.open(path, 'right')).get('index')).toEqual(Uint8Array.of(1))
})

it('shows nobody a secret that did not reach the disk', async () => {
  const store = await Keystore.open(path, 'right')
  await store.set('master', randomBytes(32))
  await rm(join(directory, 'deep'), { recursive: true })
  await writeFile(join(directory, 'deep'), 'in the way')
  await expect(store.set('operator', randomBytes(32))).rejects.toThrowError()
  expect(store.names()).toEqual(['master'])
  await rm(join(directory, 'deep'))
  await store.set('operator', randomBytes(32))
  expect((await Keystore.open(path, 'right')).names()).toEqual(['master', 'operator'])
})

it('replaces what a crash left half written, with the right mode', async () => {
  const store = await Keystore.open(path, 'right')
  await store.set('a', Uint8Array.of(1))
  await writeFile(`${path}.new`, '{"half')
  await chmod(`${path}.new`, 0o644)
  expect((await Keystore.open(path, 'right')).names()).toEqual(['a'])
  await store.set('b', Uint8Array.of(2))
  expect((await Keystore.open(path, 'right')).names()).toEqual(['a', 'b'])
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

it('gives copies: overwriting one does not change what is kept', async () => {
  const store = await Keystore.open(path, 'right')
  await store.set('a', Uint8Array.of(1, 2, 3))
  store.get('a')!.fill(0)
  expect(store.get('a')).toEqual(Uint8Array.of(1, 2, 3))
})

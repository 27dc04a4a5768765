import { randomBytes, scrypt } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { ConsentryError } from '../errors.js'
import { randomKey, unwrap, wrap } from './keys.js'

/** Cost of guessing the passphrase: 64 MiB and about 0.2 s (RFC 7914). */
const SCRYPT = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 }
const PURPOSE = 'consentry keystore 1'

interface KeystoreFile {
  readonly version: 1
  readonly kdf: 'scrypt'
  readonly salt: string
  /** XChaCha20-Poly1305 of a JSON map from names to base64 secrets. */
  readonly sealed: string
}

const stretch = promisify<string, Buffer, number, typeof SCRYPT, Buffer>(scrypt)

/**
 * Named secrets in one encrypted file, readable by its owner alone. Every change writes the file anew and durable before
 * it resolves; changes are made one after the other.
 */
export class Keystore {
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(
    private readonly path: string,
    private readonly key: Uint8Array,
    private readonly salt: Uint8Array,
    private readonly secrets: Map<string, Uint8Array>,
  ) {}

  /** Opens the keystore, or makes an empty one. @throws ConsentryError `forbidden` for a wrong passphrase */
  static async open(path: string, passphrase: string): Promise<Keystore> {
    const file = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (file === null) {
      const salt = randomBytes(32)
      return new Keystore(path, await stretch(passphrase, salt, 32, SCRYPT), salt, new Map())
    }
    const { version, kdf, salt: text, sealed } = JSON.parse(file) as KeystoreFile
    if (version !== 1 || kdf !== 'scrypt')
      throw new ConsentryError('internal', `The keystore ${path} is of an unknown version.`)
    const salt = Buffer.from(text, 'base64')
    const key = await stretch(passphrase, salt, 32, SCRYPT)
    let plain: Uint8Array
    try {
      plain = unwrap(key, Buffer.from(sealed, 'base64'), PURPOSE)
    } catch (cause) {
      throw new ConsentryError('forbidden', `The passphrase does not open the keystore ${path}.`, { cause })
    }
    const entries = Object.entries(JSON.parse(Buffer.from(plain).toString()) as Record<string, string>)
    const secrets = new Map(entries.map(([name, value]) => [name, new Uint8Array(Buffer.from(value, 'base64'))]))
    return new Keystore(path, key, salt, secrets)
  }

  get(name: string): Uint8Array | undefined {
    return this.secrets.get(name)
  }

  names(): string[] {
    return [...this.secrets.keys()]
  }

  async set(name: string, secret: Uint8Array): Promise<void> {
    await this.#change(() => this.secrets.set(name, secret.slice()))
  }

  /** The secret of that name, made and kept durable the first time. */
  async getOrCreate(name: string, make: () => Uint8Array = randomKey): Promise<Uint8Array> {
    if (!this.secrets.has(name)) await this.#change(() => this.secrets.has(name) || this.secrets.set(name, make()))
    return this.secrets.get(name) as Uint8Array
  }

  #change(change: () => unknown): Promise<void> {
    const turn = this.#turn.then(async () => {
      change()
      await this.#write()
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #write(): Promise<void> {
    const map = Object.fromEntries(
      Array.from(this.secrets, ([name, secret]) => [name, Buffer.from(secret).toString('base64')]),
    )
    const file: KeystoreFile = {
      version: 1,
      kdf: 'scrypt',
      salt: Buffer.from(this.salt).toString('base64'),
      sealed: Buffer.from(wrap(this.key, Buffer.from(JSON.stringify(map)), PURPOSE)).toString('base64'),
    }
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
    const temporary = `${this.path}.new`
    const handle = await open(temporary, 'w', 0o600)
    try {
      await handle.writeFile(JSON.stringify(file))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, this.path)
    const directory = await open(dirname(this.path), 'r')
    await directory.sync().finally(() => directory.close())
  }
}

import { randomBytes, scrypt } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { ConsentryError } from '../errors.js'
import { randomKey, unwrap, wrap } from './keys.js'

/** Cost of one guess of the passphrase: 64 MiB and about 0.2 s (RFC 7914). */
const SCRYPT = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 }
const PURPOSE = 'consentry keystore 1'

/** JSON on the disk. */
interface KeystoreFile {
  readonly version: 1
  readonly kdf: 'scrypt'
  /** 32 bytes, base64. */
  readonly salt: string
  /** nonce ‖ XChaCha20-Poly1305 of a JSON map from names to base64 secrets, base64. */
  readonly sealed: string
}

const stretch = promisify<string, Buffer, number, typeof SCRYPT, Buffer>(scrypt)

/**
 * Named secrets in one encrypted file, mode 0600. A change is written to a new file, synced and renamed over the old one
 * before it resolves and before anybody sees it; changes are made one after the other.
 */
export class Keystore {
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(
    private readonly path: string,
    private readonly key: Uint8Array,
    private readonly salt: Uint8Array,
    private secrets: ReadonlyMap<string, Uint8Array>,
  ) {}

  /**
   * Opens the keystore, or makes an empty one that becomes a file with its first secret.
   * @throws ConsentryError `forbidden` for a wrong passphrase (or a changed file, which nobody can tell apart),
   * `integrity` for a file that is no keystore
   */
  static async open(path: string, passphrase: string): Promise<Keystore> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    const file = text === null ? null : parse(path, text)
    const salt = file === null ? randomBytes(32) : Buffer.from(file.salt, 'base64')
    const key = await stretch(passphrase, salt, 32, SCRYPT)
    return new Keystore(path, key, salt, file === null ? new Map() : secretsOf(path, file, key))
  }

  /** A copy. */
  get(name: string): Uint8Array | undefined {
    return this.secrets.get(name)?.slice()
  }

  names(): string[] {
    return [...this.secrets.keys()]
  }

  async set(name: string, secret: Uint8Array): Promise<void> {
    const copy = Uint8Array.from(secret)
    await this.#change((secrets) => secrets.set(name, copy))
  }

  async delete(name: string): Promise<void> {
    await this.#change((secrets) => secrets.delete(name))
  }

  /** The secret of that name, made and durable the first time; callers at the same time get the same one. */
  async getOrCreate(name: string, make: () => Uint8Array = randomKey): Promise<Uint8Array> {
    if (!this.secrets.has(name)) {
      await this.#change((secrets) => {
        if (!secrets.has(name)) secrets.set(name, Uint8Array.from(make()))
      })
    }
    return this.get(name) as Uint8Array
  }

  #change(change: (secrets: Map<string, Uint8Array>) => unknown): Promise<void> {
    const turn = this.#turn.then(async () => {
      const secrets = new Map(this.secrets)
      change(secrets)
      await this.#write(secrets)
      this.secrets = secrets
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #write(secrets: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const map = Object.fromEntries(Array.from(secrets, ([name, secret]) => [name, toBase64(secret)]))
    const sealed = wrap(this.key, Buffer.from(JSON.stringify(map)), PURPOSE)
    const file: KeystoreFile = { version: 1, kdf: 'scrypt', salt: toBase64(this.salt), sealed: toBase64(sealed) }
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
    const temporary = `${this.path}.new`
    const handle = await open(temporary, 'w', 0o600)
    try {
      // A file that a crash left behind keeps its mode.
      await handle.chmod(0o600)
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

function parse(path: string, text: string): KeystoreFile {
  try {
    const file = JSON.parse(text) as Partial<KeystoreFile> | null
    if (
      file?.version === 1 &&
      file.kdf === 'scrypt' &&
      typeof file.salt === 'string' &&
      typeof file.sealed === 'string'
    ) {
      return file as KeystoreFile
    }
  } catch {
    // told below
  }
  throw new ConsentryError('integrity', `${path} is not a keystore of version 1.`)
}

function secretsOf(path: string, { sealed }: KeystoreFile, key: Uint8Array): Map<string, Uint8Array> {
  let plain: Uint8Array
  try {
    plain = unwrap(key, Buffer.from(sealed, 'base64'), PURPOSE)
  } catch (cause) {
    throw new ConsentryError('forbidden', `The passphrase does not open the keystore ${path}.`, { cause })
  }
  const map = JSON.parse(Buffer.from(plain).toString()) as Record<string, string>
  return new Map(Object.entries(map).map(([name, value]) => [name, Uint8Array.from(Buffer.from(value, 'base64'))]))
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

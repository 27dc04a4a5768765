import type { PartyId, Permit, RecordSubject } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { NewVersion, StoredVersion } from '../records/types.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import { capsulesOf, chunksOf, open, type OpeningKeys } from '../vault/open.js'
import type { CapsuleKey } from '../vault/keys.js'
import { capsuleOfRow, isSealedRow } from '../vault/row-seal.js'
import type { Sealer } from '../vault/sealing-thread.js'
import { capsuleId, type CapsuleKeys, type OpenedKey } from './capsule-keys.js'
import { withSource } from './imported.js'

/** A body to be sealed, with what decides under which keys. */
export interface SealableBody extends RecordSubject {
  readonly type: string
  readonly id: string
  readonly version: number
  readonly body: Uint8Array
}

export type SealedBody = Pick<NewVersion, 'cid' | 'contentHash' | 'salt' | 'author' | 'leaf'>

/** Bodies of records: sealed into durable blocks, and opened from them with a permit. */
export class Bodies {
  constructor(
    private readonly entity: PartyId,
    private readonly sealer: Sealer,
    private readonly keys: CapsuleKeys,
    private readonly blocks: BlockStore,
    private readonly authorKeys: (author: PartyId) => Promise<readonly Uint8Array[]>,
  ) {}

  /** The blocks are durable when it resolves; one commit of the store for all. */
  async seal(bodies: readonly SealableBody[]): Promise<SealedBody[]> {
    const keys = await this.#sealingKeys(bodies)
    const sealed = await this.sealer.seal(
      bodies.map(({ type, id, version, body, patient, labels }, i) => ({
        id: `${type}/${id}`,
        version,
        body,
        keys: keys[i] as CapsuleKey[],
        subject: { patient, labels },
      })),
    )
    await this.blocks.put(sealed.flatMap(({ blocks }) => blocks))
    return sealed.map(({ cid, contentHash, salt, leaf }) => ({ cid, contentHash, salt, leaf, author: this.entity }))
  }

  /** Plaintext of rows, in their order. @throws ConsentryError `integrity` for a block that is missing or altered */
  async open(permit: Permit, rows: readonly StoredVersion[]): Promise<Uint8Array[]> {
    const envelopes = await this.#envelopes(rows)
    const inRow = rows.map(({ body }) => body !== null && isSealedRow(body))
    const chunkCids = envelopes.map((envelope, i) => (inRow[i] ? [] : chunksOf(envelope)))
    const chunks = await this.blocks.get(chunkCids.flat())
    const keys = await this.keys.opened(
      envelopes.flatMap((envelope, i) => (inRow[i] ? [capsuleOfRow(envelope)] : capsulesOf(envelope))),
    )
    const keyOf = (capsule: Uint8Array): OpenedKey => {
      const key = keys.get(capsuleId(capsule).toString('hex'))
      if (key === undefined) throw new ConsentryError('integrity', 'The key of a capsule is not at hand.')
      return key
    }
    const authors = await this.#authors(rows)
    const openingKeys: OpeningKeys = {
      capsuleKey: (capsule) => keyOf(capsule).key,
      rowKey: (capsule) => {
        const { key, trail } = keyOf(capsule)
        if (!trail) throw new ConsentryError('integrity', 'A row is sealed under a key that is not for the trail.')
        return key
      },
      authorKeys: (author) => authors.get(`0x${Buffer.from(author).toString('hex')}`) ?? [],
    }
    return rows.map((row, i) => {
      const envelope = envelopes[i] as Uint8Array
      const { body } = open(
        permit,
        {
          subject: row,
          record: { id: `${row.type}/${row.id}`, version: row.version },
          cid: row.cid,
          envelope,
          chunks: (chunkCids[i] ?? []).flatMap((cid) => chunks.get(cid) ?? []),
        },
        openingKeys,
      )
      return row.source === null ? body : withSource(body, row.source)
    })
  }

  async #sealingKeys(bodies: readonly SealableBody[]): Promise<CapsuleKey[][]> {
    const byOwner = new Map<string, Promise<CapsuleKey[]>>()
    return Promise.all(
      bodies.map(({ patient, labels }) => {
        const name = `${patient ?? '-'}|${labels}`
        const known = byOwner.get(name)
        if (known) return known
        const keys = this.keys.forSealing(patient, labels)
        byOwner.set(name, keys)
        return keys
      }),
    )
  }

  async #envelopes(rows: readonly StoredVersion[]): Promise<Uint8Array[]> {
    const blocks = await this.blocks.get(rows.flatMap(({ cid }) => cid ?? []))
    return rows.map((row) => {
      const envelope = row.body ?? (row.cid === null ? undefined : blocks.get(row.cid))
      if (envelope !== undefined) return envelope
      throw new ConsentryError('integrity', `The block of ${row.type}/${row.id} version ${row.version} is missing.`)
    })
  }

  async #authors(rows: readonly StoredVersion[]): Promise<Map<string, readonly Uint8Array[]>> {
    const parties = [...new Set(rows.map(({ author }) => author))]
    const keys = await Promise.all(parties.map((party) => this.authorKeys(party)))
    return new Map(parties.map((party, i) => [party, keys[i] ?? []]))
  }
}

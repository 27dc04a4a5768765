import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { BlindIndex } from '../records/blind-index.js'
import type { Block } from '../vault/envelope.js'
import { capsulesOf, chunksOf, open, type OpeningKeys } from '../vault/open.js'
import type { Sound } from './committing.js'
import type { FeedItem } from './feed-items.js'
import type { Feeds } from './feeds.js'
import type { Opening } from './import-decision.js'
import { type ImportPlace, soundVersion } from './imported-version.js'
import { capsuleIdOf, type ForeignCapsule, type OpenedCapsule, type OpenedCapsules } from './opened-capsules.js'
import type { RemoteBlocks } from './remote-blocks.js'

/** A record of the largest size has far fewer; what an envelope links is fetched before anything of it is believed. */
const MAX_CHUNKS = 512

export interface ForeignRecordParts {
  readonly clock: () => number
  readonly mirror: ConsentMirror
  readonly feeds: Feeds
  readonly capsules: OpenedCapsules
  readonly remote: RemoteBlocks
  readonly index: BlindIndex
}

/** What an item came to, with the blocks that were fetched for it. */
export interface Outcome {
  readonly item: FeedItem
  readonly result: { readonly sound: Sound } | { readonly refused: string }
  readonly blocks: readonly Block[]
}

/** Outcomes of one author's items of one patient, and the capsules that were opened for them. */
export interface Opened {
  readonly outcomes: readonly Outcome[]
  readonly capsules: ReadonlyMap<string, OpenedCapsule>
}

/** An item with its blocks, the envelope first. */
interface Fetched {
  readonly item: FeedItem
  readonly envelope: Uint8Array
  readonly chunks: readonly Block[]
}

/**
 * Fetches and opens what may be opened and checks it. It asks other servers and keeps nothing but what proxies signed: so it needs no turn
 * of the patient, and what it made of a consent that is revoked meanwhile is let go.
 */
export class ForeignRecords {
  constructor(private readonly parts: ForeignRecordParts) {}

  /**
   * @param openings permits for the labels of all items
   * @throws ConsentryError `unavailable` when blocks or m proxies cannot be had
   */
  async open(
    patient: PatientId,
    origin: PartyId,
    items: readonly FeedItem[],
    openings: ReadonlyMap<bigint, Opening>,
  ): Promise<Opened> {
    const party = await this.parts.mirror.party(origin)
    const { fetched, refused } = await this.#fetch(items, party?.endpoint ? [party.endpoint] : [])
    const capsules = await this.#openCapsules(fetched, openings)
    const authorKeys = await this.parts.feeds.authorKeys(origin)
    const keys: OpeningKeys = {
      capsuleKey: (capsule) => keyOf(capsules, capsule),
      authorKeys: (author) => (`0x${Buffer.from(author).toString('hex')}` === origin ? authorKeys : []),
    }
    const place = { ...this.parts, base: `${party?.endpoint ?? ''}/fhir` }
    const outcomes = fetched.map((each) =>
      outcomeOf(each, patient, openings.get(each.item.labels) as Opening, keys, place),
    )
    return { outcomes: [...refused, ...outcomes], capsules }
  }

  async #fetch(
    items: readonly FeedItem[],
    endpoints: readonly string[],
  ): Promise<{ fetched: Fetched[]; refused: Outcome[] }> {
    const envelopes = await this.parts.remote.get(
      items.map(({ cid }) => cid),
      endpoints,
    )
    const seen = items.map((item) => {
      const envelope = envelopes.get(item.cid) as Uint8Array
      return { item, envelope, fault: faultOf(envelope) }
    })
    const envelopesOf = seen.filter(({ fault }) => fault === null)
    const chunks = await this.parts.remote.get(
      envelopesOf.flatMap(({ envelope }) => chunksOf(envelope)),
      endpoints,
    )
    return {
      fetched: envelopesOf.map(({ item, envelope }) => ({
        item,
        envelope,
        chunks: chunksOf(envelope).map((cid) => ({ cid, bytes: chunks.get(cid) as Uint8Array })),
      })),
      refused: seen.flatMap(({ item, fault }) =>
        fault === null ? [] : [{ item, result: { refused: fault }, blocks: [] }],
      ),
    }
  }

  /** Those of one set of labels together, under the terms of its permit. */
  async #openCapsules(
    fetched: readonly Fetched[],
    openings: ReadonlyMap<bigint, Opening>,
  ): Promise<Map<string, OpenedCapsule>> {
    const opened = new Map<string, OpenedCapsule>()
    for (const [labels, terms] of openings) {
      const foreign = fetched.filter(({ item }) => item.labels === labels).flatMap(capsulesIn)
      for (const [id, capsule] of await this.parts.capsules.open(foreign, terms)) opened.set(id, capsule)
    }
    return opened
  }
}

function outcomeOf(
  { item, envelope, chunks }: Fetched,
  patient: PatientId,
  { permit, categories }: Opening,
  keys: OpeningKeys,
  place: ImportPlace,
): Outcome {
  const blocks = [{ cid: item.cid, bytes: envelope }, ...chunks]
  const subject = { patient, origin: item.origin, labels: item.labels, categories }
  try {
    const sealed = { subject, cid: item.cid, envelope, chunks: chunks.map(({ bytes }) => bytes) }
    return { item, result: { sound: soundVersion(item, open(permit, sealed, keys), place) }, blocks }
  } catch (error) {
    if (!(error instanceof ConsentryError) || error.kind === 'unavailable') throw error
    return { item, result: { refused: error.message }, blocks }
  }
}

/** The capsules of an envelope beside the policies of its item; one without a policy opens nothing. */
function capsulesIn({ item, envelope }: Fetched): ForeignCapsule[] {
  return capsulesOf(envelope).flatMap((capsule, i) => {
    const policy = item.policies[i]
    return policy === undefined ? [] : [{ capsule, author: item.origin, policy }]
  })
}

/** Why a block that a manifest names is no envelope to look into; `null` for one that is. */
function faultOf(block: Uint8Array): string | null {
  try {
    return chunksOf(block).length > MAX_CHUNKS ? 'The record is larger than any that we seal.' : null
  } catch (error) {
    if (error instanceof ConsentryError) return error.message
    throw error
  }
}

function keyOf(opened: ReadonlyMap<string, OpenedCapsule>, capsule: Uint8Array): Uint8Array {
  const key = opened.get(capsuleIdOf(capsule).toString('hex'))?.key
  if (key !== undefined) return key
  throw new ConsentryError('integrity', 'A capsule is of another policy than its feed tag says.')
}

import { decide, type Facts, type Freshness } from '../consent/decide.js'
import { labelBits } from '../consent/labels.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId, PatientId, Permit, RecordSubject } from '../consent/permit.js'
import { categoryBits, isCategory, purposeMask, purposesOf } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import { clinicalCategories } from '../fhir/clinical-categories.js'
import { parseJson } from '../fhir/json.js'
import { labelsOf } from '../fhir/labels-of.js'
import { isResourceType } from '../fhir/definitions/structures.js'
import { parseReference, referencesOf } from '../fhir/references.js'
import { indexValues } from '../fhir/search-parameters.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import { validate } from '../fhir/validate.js'
import type { AuditTrail } from '../audit/audit-trail.js'
import type { BlindIndex } from '../records/blind-index.js'
import type { Sql } from '../records/database.js'
import type { RecordStore } from '../records/record-store.js'
import type { NewVersion } from '../records/types.js'
import type { Block } from '../vault/envelope.js'
import { anchorLeaf } from '../vault/anchor-leaf.js'
import { capsulesOf, chunksOf, open } from '../vault/open.js'
import { contentHashOf, type Payload } from '../vault/payload.js'
import { Committing, type Sound } from './committing.js'
import { feedTag } from './feed-tag.js'
import type { Feeds } from './feeds.js'
import type { ForeignBlocks } from './foreign-blocks.js'
import { capsuleIdOf, type OpenedCapsule, type OpenedCapsules } from './opened-capsules.js'
import type { PatientTurns } from './patient-turns.js'
import type { SharedPolicies, SharedPolicy } from './policies.js'
import type { RemoteBlocks } from './remote-blocks.js'

/** Records of one round. */
const ROUND = 200
/** A record of the largest size has far fewer; what an envelope links is fetched before anything of it is believed. */
const MAX_CHUNKS = 512
/** Versions are four-byte integers in the rows. */
const MAX_VERSION = 2_147_483_647
/** Written by each server itself: nobody's trail is taken from somebody else. */
const NOT_SHARED: ReadonlySet<string> = new Set(['AuditEvent', 'Bundle', 'Parameters', 'OperationOutcome'])

const OF_ANOTHER = 'The record names another patient than the one who shares it.'

export interface ImportParts {
  readonly entity: PartyId
  readonly clock: () => number
  readonly freshness: () => Freshness
  readonly sql: Sql
  readonly mirror: ConsentMirror
  readonly policies: SharedPolicies
  readonly turns: PatientTurns
  readonly feeds: Feeds
  readonly capsules: OpenedCapsules
  readonly remote: RemoteBlocks
  readonly blocks: ForeignBlocks
  readonly records: RecordStore
  readonly index: BlindIndex
  readonly audit: AuditTrail
}

/** A record that a manifest names and a shared policy recognises. */
interface FeedItem {
  readonly origin: PartyId
  readonly root: Buffer
  readonly leafIndex: number
  readonly cid: string
  readonly leaf: Buffer
  readonly patient: PatientId
  readonly labels: bigint
  readonly policies: readonly SharedPolicy[]
}

/** What opening needs of consent: the permit, and the terms that proxies ask the ledger with. */
interface Opening {
  readonly permit: Permit
  readonly purpose: number
  readonly categories: bigint
}

/** What an item came to, opened outside of its patient's turn, with the blocks that were fetched for it. */
interface Outcome {
  readonly item: FeedItem
  readonly result: { readonly sound: Sound } | { readonly refused: string }
  readonly blocks: readonly Block[]
}

/** Whom an import is about and what became of it, for the worker's report. */
export interface ImportRound {
  readonly imported: number
  readonly refused: number
}

/**
 * Imports what patients share with us: recognise by feed tag → decide → fetch → keys by m proxies → open → check
 * author, leaf, validity and labels → index here, body left sealed as its author sealed it. What asks other servers comes first and keeps nothing; everything
 * that stays is written in the patient's turn, of what is still shared then.
 */
export class Importing {
  /** Where the next round goes on: what cannot be imported now must not stand before what can. */
  #after: Place | null = null

  readonly #committing: Committing

  constructor(private readonly parts: ImportParts) {
    this.#committing = new Committing(parts)
  }

  /**
   * One round; `imported` and `refused` are zero when nothing could be done. The feed of one author and patient that fails
   * does not hinder the others.
   * @throws ConsentryError `unavailable` to try again later, after everything else of the round is done
   */
  async round(): Promise<ImportRound> {
    const items = await this.#recognised()
    let imported = 0
    let refused = 0
    const failures: unknown[] = []
    for (const patient of new Set(items.map((item) => item.patient))) {
      for (const origin of new Set(items.map((item) => item.origin))) {
        const batch = items.filter((item) => item.patient === patient && item.origin === origin)
        if (batch.length === 0) continue
        try {
          const outcome = await this.#importBatch(patient, origin, batch)
          imported += outcome.imported
          refused += outcome.refused
        } catch (error) {
          failures.push(error)
        }
      }
    }
    if (failures.length > 0 && imported + refused === 0) throw failures[0]
    return { imported, refused }
  }

  /** Items whose every tag is of a shared policy of one patient. */
  async #recognised(): Promise<FeedItem[]> {
    const [policies, authors] = await Promise.all([
      this.parts.policies.all(),
      this.parts.mirror.partiesOfKind('entity'),
    ])
    const known = new Map<string, { policy: SharedPolicy; author: PartyId }>()
    for (const policy of policies) {
      for (const { id } of authors) {
        const tag = Buffer.from(feedTag(policy.policyKey.toBytes(), id)).toString('hex')
        known.set(tag, { policy, author: id })
      }
    }
    if (known.size === 0) return []
    const { rows } = await this.parts.sql.query<{
      origin: Buffer
      root: Buffer
      leaf_index: number
      cid: string
      leaf: Buffer
      tags: Buffer[]
    }>(
      `SELECT origin, root, leaf_index, cid, leaf, tags FROM feed_item
       WHERE state = 'seen' AND tags <@ $1::bytea[] AND (origin, root, leaf_index) > ($3, $4, $5)
       ORDER BY origin, root, leaf_index LIMIT $2`,
      [
        [...known.keys()].map((tag) => Buffer.from(tag, 'hex')),
        ROUND,
        this.#after?.origin ?? Buffer.alloc(0),
        this.#after?.root ?? Buffer.alloc(0),
        this.#after?.leaf_index ?? -1,
      ],
    )
    this.#after = rows.length === ROUND ? (rows.at(-1) ?? null) : null
    return rows.flatMap((row): FeedItem[] => {
      const matches = row.tags.flatMap((tag) => known.get(tag.toString('hex')) ?? [])
      const origin: PartyId = `0x${row.origin.toString('hex')}`
      const patient = matches[0]?.policy.patient
      const one =
        matches.length === row.tags.length && matches.every((m) => m.author === origin && m.policy.patient === patient)
      if (!one || patient === undefined) return []
      return [
        {
          origin,
          root: row.root,
          leafIndex: row.leaf_index,
          cid: row.cid,
          leaf: row.leaf,
          patient,
          labels: labelBits(matches.map(({ policy }) => policy.label)),
          policies: matches.map(({ policy }) => policy),
        },
      ]
    })
  }

  async #importBatch(patient: PatientId, origin: PartyId, all: readonly FeedItem[]): Promise<ImportRound> {
    const openings = await this.#decide(patient, origin, [...new Set(all.map(({ labels }) => labels))])
    const permitted = all.filter(({ labels }) => openings.has(labels))
    if (permitted.length === 0) return { imported: 0, refused: 0 }
    const party = await this.parts.mirror.party(origin)
    const endpoints = party?.endpoint ? [party.endpoint] : []
    const authorKeys = await this.parts.feeds.authorKeys(origin)
    const envelopes = await this.parts.remote.get(
      permitted.map(({ cid }) => cid),
      endpoints,
    )
    const outcomes: Outcome[] = []
    const items = permitted.filter((item) => {
      const reason = faultOf(envelopes.get(item.cid) as Uint8Array)
      if (reason !== null) outcomes.push({ item, result: { refused: reason }, blocks: [] })
      return reason === null
    })
    const chunks = await this.parts.remote.get(
      items.flatMap(({ cid }) => chunksOf(envelopes.get(cid) as Uint8Array)),
      endpoints,
    )
    const opened = await this.#openCapsules(items, envelopes, openings)
    const base = `${party?.endpoint ?? ''}/fhir`
    for (const item of items) {
      const envelope = envelopes.get(item.cid) as Uint8Array
      const own = chunksOf(envelope).flatMap((cid) => chunks.get(cid) ?? [])
      const blocks = [
        { cid: item.cid, bytes: envelope },
        ...chunksOf(envelope).map((cid) => ({ cid, bytes: chunks.get(cid) as Uint8Array })),
      ]
      try {
        const { permit, categories } = openings.get(item.labels) as Opening
        const payload = open(
          permit,
          { subject: { patient, origin, labels: item.labels, categories }, cid: item.cid, envelope, chunks: own },
          {
            capsuleKey: (capsule) => keyOf(opened, capsule),
            authorKeys: (author) => (`0x${Buffer.from(author).toString('hex')}` === origin ? authorKeys : []),
          },
        )
        const version = this.#version(item, payload, base)
        outcomes.push({ item, result: { sound: { version, named: patientsNamedBy(payload.body) } }, blocks })
      } catch (error) {
        if (!(error instanceof ConsentryError) || error.kind === 'unavailable') throw error
        outcomes.push({ item, result: { refused: error.message }, blocks })
      }
    }
    return await this.parts.turns.take(patient, () => this.#settle(patient, origin, outcomes, opened))
  }

  /** Writes what came of items that are still shared, and nothing of the others: a purge was here for them, or will be. */
  async #settle(
    patient: PatientId,
    origin: PartyId,
    all: readonly Outcome[],
    opened: ReadonlyMap<string, OpenedCapsule>,
  ): Promise<ImportRound> {
    const openings = await this.#decide(patient, origin, [...new Set(all.map(({ item }) => item.labels))])
    const shared = new Set((await this.parts.policies.all()).map(nameOf))
    const outcomes = all.filter(
      ({ item }) => openings.has(item.labels) && item.policies.every((policy) => shared.has(nameOf(policy))),
    )
    if (outcomes.length === 0) return { imported: 0, refused: 0 }
    const policies = new Set(outcomes.flatMap(({ item }) => item.policies.map(nameOf)))
    await this.parts.capsules.keep([...opened.values()].filter(({ foreign }) => policies.has(nameOf(foreign.policy))))
    const sound = outcomes.flatMap(({ item, result, blocks }) =>
      'sound' in result ? [{ item, blocks, ...result }] : [],
    )
    await this.parts.blocks.put(
      patient,
      sound.map(({ item, blocks }) => ({ cid: item.cid, blocks })),
    )
    const others = await this.#committing.commit(
      patient,
      sound.map((each) => each.sound),
    )
    await this.parts.blocks.drop(
      patient,
      sound.filter((each) => others.has(each.sound)).map(({ item }) => item.cid),
    )
    const marks = outcomes.map(({ item, result }): Mark => {
      const reason = 'refused' in result ? result.refused : others.has(result.sound) ? OF_ANOTHER : null
      return { item, state: reason === null ? 'imported' : 'refused', reason }
    })
    await this.#mark(marks)
    const imported = marks.filter(({ state }) => state === 'imported').length
    return { imported, refused: marks.length - imported }
  }

  /** For each set of labels the permit to open, or nothing. */
  async #decide(patient: PatientId, origin: PartyId, labelSets: readonly bigint[]): Promise<Map<bigint, Opening>> {
    const { mirror, entity, clock, freshness } = this.parts
    const now = clock()
    const facts: Facts = {
      now,
      freshness: freshness(),
      activeParties: await mirror.activeParties([entity], Math.floor(now / 1000)),
      words: await mirror.words([patient], [entity], 'read'),
    }
    const openings = new Map<bigint, Opening>()
    for (const labels of labelSets) {
      // Which categories a record has is known only once it is open: one that is granted opens it, and the record is
      // decided anew whenever it is read.
      const words = facts.words.filter((word) => (word.labels & labels) !== 0n)
      for (const word of words) {
        for (const purpose of purposesOf(word.purposes)) {
          const categories = word.categories & -word.categories
          const subject: RecordSubject = { patient, origin, labels, categories }
          const decision = decide({ action: 'read', purpose, parties: [entity], subjects: [subject] }, facts)
          if ('permit' in decision && !openings.has(labels)) {
            openings.set(labels, { permit: decision.permit, purpose: purposeMask([purpose]), categories })
          }
        }
      }
    }
    return openings
  }

  async #openCapsules(
    items: readonly FeedItem[],
    envelopes: ReadonlyMap<string, Uint8Array>,
    openings: ReadonlyMap<bigint, Opening>,
  ): Promise<Map<string, OpenedCapsule>> {
    const opened = new Map<string, OpenedCapsule>()
    for (const [labels, terms] of openings) {
      const foreign = items
        .filter((item) => item.labels === labels)
        .flatMap((item) =>
          capsulesOf(envelopes.get(item.cid) as Uint8Array).map((capsule, i) => ({
            capsule,
            author: item.origin,
            policy: item.policies[i] as SharedPolicy,
          })),
        )
        .filter(({ policy }) => policy !== undefined)
      for (const [id, capsule] of await this.parts.capsules.open(foreign, terms)) opened.set(id, capsule)
    }
    return opened
  }

  /** Checks what was opened against what was anchored and declared. @throws ConsentryError `integrity` or `invalid` */
  #version(item: FeedItem, { id, version, salt, body }: Payload, base: string): NewVersion {
    const author = Buffer.from(item.origin.slice(2), 'hex')
    if (Buffer.compare(anchorLeaf(salt, item.cid, { id, version }, author), item.leaf) !== 0) {
      throw new ConsentryError('integrity', 'The record is not the one that was anchored.')
    }
    const resource = parseJson(body) as unknown as Resource
    const [type = '', logicalId = ''] = id.split('/')
    const deleted = isTombstone(resource)
    const sound =
      resource.resourceType === type && resource.id === logicalId && resource.meta?.versionId === String(version)
    if (!sound) throw new ConsentryError('integrity', 'The record says another identity than its envelope.')
    if (!isResourceType(type) || NOT_SHARED.has(type) || version < 1 || version > MAX_VERSION) {
      throw new ConsentryError('invalid', 'The record is of a type or version that nobody shares.')
    }
    if (!deleted && validate(resource).resource === undefined) {
      throw new ConsentryError('invalid', 'The record is not valid FHIR R4.')
    }
    const labels = labelBits(labelsOf(resource))
    if (!deleted && labels !== item.labels) {
      throw new ConsentryError('integrity', 'The record has other labels than it was sealed under.')
    }
    return {
      type,
      id: logicalId,
      version,
      lastUpdated: Date.parse(resource.meta?.lastUpdated ?? '') || this.parts.clock(),
      deleted,
      patient: item.patient,
      origin: item.origin,
      labels: item.labels,
      categories: categoryBits(clinicalCategories(resource).filter(isCategory)),
      index: deleted ? null : this.parts.index.entries(type, indexValues(resource as ValidResource)),
      cid: item.cid,
      body: null,
      contentHash: contentHashOf(salt, body),
      salt,
      author: item.origin,
      source: `${base}/${type}/${logicalId}`,
      leaf: null,
    }
  }

  async #mark(marks: readonly Mark[]): Promise<void> {
    await this.parts.sql.query(
      `UPDATE feed_item f SET state = i.state, reason = i.reason, patient = i.patient
       FROM unnest($1::bytea[], $2::bytea[], $3::int[], $4::bytea[], $5::text[], $6::text[])
         AS i(origin, root, leaf_index, patient, state, reason)
       WHERE f.origin = i.origin AND f.root = i.root AND f.leaf_index = i.leaf_index`,
      [
        marks.map(({ item }) => Buffer.from(item.origin.slice(2), 'hex')),
        marks.map(({ item }) => item.root),
        marks.map(({ item }) => item.leafIndex),
        marks.map(({ item }) => Buffer.from(item.patient.slice(2), 'hex')),
        marks.map(({ state }) => state),
        marks.map(({ reason }) => reason),
      ],
    )
  }
}

interface Mark {
  readonly item: FeedItem
  readonly state: 'imported' | 'refused'
  readonly reason: string | null
}

interface Place {
  readonly origin: Buffer
  readonly root: Buffer
  readonly leaf_index: number
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

function nameOf({ policyKey }: SharedPolicy): string {
  return Buffer.from(policyKey.toBytes()).toString('hex')
}

/** Ids of Patients that a record refers to, wherever it does, and its own if it is one. */
function patientsNamedBy(body: Uint8Array): string[] {
  const resource = parseJson(body) as unknown as Resource
  const named = referencesOf(resource).flatMap(({ reference: { reference } }) => {
    const parsed = typeof reference === 'string' ? parseReference(reference) : null
    return parsed?.kind === 'relative' && parsed.type === 'Patient' ? [parsed.id] : []
  })
  return [
    ...new Set(resource.resourceType === 'Patient' && resource.id !== undefined ? [...named, resource.id] : named),
  ]
}

/** The body of a deleted version has a type, an id and `meta`, and nothing else. */
function isTombstone(resource: Resource): boolean {
  return Object.keys(resource).every((key) => key === 'resourceType' || key === 'id' || key === 'meta')
}

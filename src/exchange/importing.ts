import { decide, type Facts, type Freshness } from '../consent/decide.js'
import { labelBits } from '../consent/labels.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId, PatientId, Permit, RecordSubject } from '../consent/permit.js'
import { categoryBits, isCategory, purposeMask, purposesOf } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import { clinicalCategories } from '../fhir/clinical-categories.js'
import { patientReferences } from '../fhir/compartments.js'
import { parseJson } from '../fhir/json.js'
import { labelsOf } from '../fhir/labels-of.js'
import { isResourceType } from '../fhir/definitions/structures.js'
import { parseReference } from '../fhir/references.js'
import { indexValues } from '../fhir/search-parameters.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import { validate } from '../fhir/validate.js'
import type { AuditTrail } from '../audit/audit-trail.js'
import type { BlindIndex } from '../records/blind-index.js'
import type { Sql } from '../records/database.js'
import type { RecordStore } from '../records/record-store.js'
import type { NewVersion } from '../records/types.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import { anchorLeaf } from '../vault/anchor-leaf.js'
import { capsulesOf, chunksOf, open } from '../vault/open.js'
import { contentHashOf, type Payload } from '../vault/payload.js'
import { feedTag } from './feed-tag.js'
import type { Feeds } from './feeds.js'
import { capsuleIdOf, type OpenedCapsules } from './opened-capsules.js'
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

export interface ImportParts {
  readonly entity: PartyId
  readonly clock: () => number
  readonly freshness: () => Freshness
  readonly sql: Sql
  readonly mirror: ConsentMirror
  readonly policies: SharedPolicies
  readonly feeds: Feeds
  readonly capsules: OpenedCapsules
  readonly remote: RemoteBlocks
  readonly blocks: BlockStore
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

/** Whom an import is about and what became of it, for the worker's report. */
export interface ImportRound {
  readonly imported: number
  readonly refused: number
}

/**
 * Imports what patients share with us: recognise by feed tag → decide → fetch → keys by m proxies → open → check
 * author, leaf, validity and labels → index here, body left sealed as its author sealed it.
 */
export class Importing {
  /** Where the next round goes on: what cannot be imported now must not stand before what can. */
  #after: Place | null = null

  constructor(private readonly parts: ImportParts) {}

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
    const refused: { item: FeedItem; reason: string }[] = []
    const items = permitted.filter((item) => {
      const reason = faultOf(envelopes.get(item.cid) as Uint8Array)
      if (reason !== null) {
        refused.push({ item, reason })
        envelopes.delete(item.cid)
      }
      return reason === null
    })
    const chunks = await this.parts.remote.get(
      [...envelopes.values()].flatMap((envelope) => chunksOf(envelope)),
      endpoints,
    )
    const keys = await this.#capsuleKeys(items, envelopes, openings)

    const versions: NewVersion[] = []
    const done: FeedItem[] = []
    for (const item of items) {
      const envelope = envelopes.get(item.cid) as Uint8Array
      try {
        const subject = { patient, origin, labels: item.labels, categories: openingOf(openings, item).categories }
        const payload = open(
          openingOf(openings, item).permit,
          { subject, cid: item.cid, envelope, chunks: chunksOf(envelope).flatMap((cid) => chunks.get(cid) ?? []) },
          {
            capsuleKey: (capsule) => keys(capsule),
            authorKeys: (author) => (`0x${Buffer.from(author).toString('hex')}` === origin ? authorKeys : []),
          },
        )
        const version = this.#version(item, payload, `${party?.endpoint ?? ''}/fhir`)
        await this.#requireSamePatient(patient, payload.body)
        versions.push(version)
        done.push(item)
      } catch (error) {
        if (!(error instanceof ConsentryError) || error.kind === 'unavailable') throw error
        refused.push({ item, reason: error.message })
      }
    }
    await this.parts.blocks.put([...envelopes, ...chunks].map(([cid, bytes]) => ({ cid, bytes })))
    await this.#commit(patient, versions)
    await this.#mark(done, 'imported', null)
    for (const { item, reason } of refused) await this.#mark([item], 'refused', reason)
    return { imported: done.length, refused: refused.length }
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

  async #capsuleKeys(
    items: readonly FeedItem[],
    envelopes: ReadonlyMap<string, Uint8Array>,
    openings: ReadonlyMap<bigint, Opening>,
  ): Promise<(capsule: Uint8Array) => Uint8Array> {
    const keys = new Map<string, Uint8Array>()
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
      for (const [id, key] of await this.parts.capsules.keys(foreign, terms)) keys.set(id, key)
    }
    return (capsule) => {
      const key = keys.get(capsuleIdOf(capsule).toString('hex'))
      if (key === undefined)
        throw new ConsentryError('integrity', 'A capsule is of another policy than its feed tag says.')
      return key
    }
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

  /** Versions of one resource one after the other; what is there already in this or a later version stays. */
  async #commit(patient: PatientId, versions: readonly NewVersion[]): Promise<void> {
    const patients = versions.filter(({ type, deleted }) => type === 'Patient' && !deleted)
    if (patients.length > 0)
      await this.#link(
        patient,
        patients.map(({ id }) => id),
      )
    const rounds: NewVersion[][] = []
    for (const version of [...versions].sort((a, b) => a.version - b.version)) {
      const name = `${version.type}/${version.id}`
      const round = rounds.find((r) => !r.some((v) => `${v.type}/${v.id}` === name))
      if (round) round.push(version)
      else rounds.push([version])
    }
    for (const round of rounds) {
      const present = await this.parts.records.resolve(round)
      const fresh = round.filter((version, i) => {
        const row = present[i] ?? null
        // An id that is our own, or of another author, is not overwritten by what somebody shares.
        return row === null || (row.version < version.version && row.source !== null && row.origin === version.origin)
      })
      if (fresh.length === 0) continue
      const audit = this.parts.audit.records([
        {
          interaction: '$import',
          outcome: '0',
          recorded: this.parts.clock(),
          requestId: 'exchange',
          agent: { self: true },
          patients: [{ id: patient, reference: await this.#reference(patient) }],
          data: fresh.map(({ type, id, version }) => ({ reference: `${type}/${id}`, version })),
        },
      ])
      await this.parts.records.commit({ versions: fresh, audit })
    }
  }

  /**
   * What an author says of another patient of ours than the one who shares it would be found in that patient's record.
   * @throws ConsentryError `integrity`
   */
  async #requireSamePatient(patient: PatientId, body: Uint8Array): Promise<void> {
    const resource = parseJson(body) as unknown as Resource
    const named = patientReferences(resource).flatMap(({ reference }) => {
      const parsed = parseReference(reference)
      return parsed.kind === 'relative' && parsed.type === 'Patient' ? [parsed.id] : []
    })
    if (resource.resourceType === 'Patient' && resource.id !== undefined) named.push(resource.id)
    const { rows } = await this.parts.sql.query<{ local_id: string }>(
      'SELECT local_id FROM patient_link WHERE local_id = ANY($1::text[]) AND patient <> $2 LIMIT 1',
      [named, Buffer.from(patient.slice(2), 'hex')],
    )
    if (rows.length > 0) {
      throw new ConsentryError('integrity', 'The record names another patient than the one who shares it.')
    }
  }

  async #link(patient: PatientId, localIds: readonly string[]): Promise<void> {
    await this.parts.sql.query(
      `INSERT INTO patient_link (local_id, patient, imported) SELECT unnest($1::text[]), $2, true ON CONFLICT DO NOTHING`,
      [localIds, Buffer.from(patient.slice(2), 'hex')],
    )
  }

  async #reference(patient: PatientId): Promise<string> {
    const { rows } = await this.parts.sql.query<{ local_id: string }>(
      'SELECT local_id FROM patient_link WHERE patient = $1 ORDER BY imported LIMIT 1',
      [Buffer.from(patient.slice(2), 'hex')],
    )
    return `Patient/${rows[0]?.local_id ?? 'unknown'}`
  }

  async #mark(items: readonly FeedItem[], state: 'imported' | 'refused', reason: string | null): Promise<void> {
    await this.parts.sql.query(
      `UPDATE feed_item f SET state = $3, reason = $4, patient = i.patient
       FROM unnest($1::bytea[], $2::int[], $5::bytea[], $6::bytea[]) AS i(root, leaf_index, patient, origin)
       WHERE f.origin = i.origin AND f.root = i.root AND f.leaf_index = i.leaf_index`,
      [
        items.map(({ root }) => root),
        items.map(({ leafIndex }) => leafIndex),
        state,
        reason,
        items.map(({ patient }) => Buffer.from(patient.slice(2), 'hex')),
        items.map(({ origin }) => Buffer.from(origin.slice(2), 'hex')),
      ],
    )
  }
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

function openingOf(openings: ReadonlyMap<bigint, Opening>, item: FeedItem): Opening {
  return openings.get(item.labels) as Opening
}

/** The body of a deleted version has a type, an id and `meta`, and nothing else. */
function isTombstone(resource: Resource): boolean {
  return Object.keys(resource).every((key) => key === 'resourceType' || key === 'id' || key === 'meta')
}

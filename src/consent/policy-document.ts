import { createHash } from 'node:crypto'
import { ConsentryError } from '../errors.js'
import { isLabelCode, type LabelCode, labelBits } from './labels.js'
import type { Action, PartyId, PatientId } from './permit.js'
import type { Policy, PolicyRule } from './policy.js'
import {
  actionMask,
  ACTIONS,
  type Category,
  categoryBits,
  isCategory,
  isPurpose,
  type Purpose,
  purposeMask,
} from './terms.js'

type Hex = `0x${string}`

/**
 * What a word of the ledger cannot hold. Its bytes are the canonical form of RFC 8785, and `policyHash` on the ledger is their
 * SHA-256: the salt keeps anybody from guessing them. The chain proves which document was meant; gateways enforce it.
 */
export interface PolicyDocument {
  readonly type: typeof DOCUMENT_TYPE
  readonly patient: PatientId
  readonly grantee: PartyId
  /** 32 random bytes, base64url. */
  readonly salt: string
  /** What the data must be to be permitted at all. */
  readonly within?: DataTerms
  /** What is refused of it all the same. */
  readonly except: readonly Exception[]
}

/** About the data itself. */
export interface DataTerms {
  /** Dates of care, milliseconds since the epoch, half open. */
  readonly dataPeriod?: { readonly from: number; readonly to: number }
  /** One of these. */
  readonly data?: readonly DataReference[]
}

/** https://hl7.org/fhir/R4/valueset-consent-data-meaning.html */
export const MEANINGS = ['instance', 'related', 'dependents', 'authoredby'] as const
export type Meaning = (typeof MEANINGS)[number]

export interface DataReference {
  readonly meaning: Meaning
  /** `Type/id` */
  readonly reference: string
}

/** Refuses where all that it names applies. */
export interface Exception extends DataTerms {
  readonly actors?: readonly PartyId[]
  readonly actions?: readonly Action[]
  readonly purposes?: readonly Purpose[]
  readonly labels?: readonly LabelCode[]
  readonly categories?: readonly Category[]
}

export const DOCUMENT_TYPE = 'consentry policy 1'
/** Bytes of a document; some thousand references. */
export const MAX_DOCUMENT = 262_144
const MAX_EXCEPTIONS = 100

/** How the database names what rules look for; rows are named alike. */
export interface FactNames {
  facet(kind: 'instance' | 'author' | 'reference', reference: string): bigint
  /** @param at milliseconds since the epoch */
  care(at: number): Uint8Array
}

export function policyHash(document: Uint8Array): Hex {
  return `0x${createHash('sha256').update(document).digest('hex')}`
}

/** @throws ConsentryError `integrity` for bytes that are no document, or say anything that would not be enforced */
export function readPolicyDocument(bytes: Uint8Array): PolicyDocument {
  let value: unknown
  if (bytes.length <= MAX_DOCUMENT) {
    try {
      value = JSON.parse(Buffer.from(bytes).toString('utf8'))
    } catch {
      value = undefined
    }
  }
  if (isDocument(value)) return value
  throw new ConsentryError(
    'integrity',
    'This is no policy document, or one that says what this gateway cannot enforce.',
  )
}

/** What is compared with rows. */
export function compilePolicy({ within, except }: PolicyDocument, names: FactNames): Policy {
  const rules: PolicyRule[] = within === undefined ? [] : [{ excepts: false, ...compileData(within, names) }]
  for (const { actors, actions, purposes, labels, categories, ...data } of except) {
    rules.push({
      excepts: true,
      ...(actors === undefined ? {} : { parties: actors }),
      ...(actions === undefined ? {} : { actions: actionMask(actions) }),
      ...(purposes === undefined ? {} : { purposes: purposeMask(purposes) }),
      ...(labels === undefined ? {} : { labels: labelBits(labels) }),
      ...(categories === undefined ? {} : { categories: categoryBits(categories) }),
      ...compileData(data, names),
    })
  }
  return { rules }
}

function compileData({ dataPeriod, data }: DataTerms, names: FactNames): Pick<PolicyRule, 'care' | 'facets'> {
  return {
    ...(dataPeriod === undefined ? {} : { care: { from: names.care(dataPeriod.from), to: names.care(dataPeriod.to) } }),
    ...(data === undefined ? {} : { facets: [...new Set(data.flatMap((one) => facetsOf(one, names)))] }),
  }
}

/**
 * FHIR's `related` is an instance and what it refers to; IHE PCF's is "data with relationship to an object", as what was written at an
 * encounter. What refers to the object is meant here, and the object; what it refers to is not to be seen in the row of that.
 */
function facetsOf({ meaning, reference }: DataReference, names: FactNames): bigint[] {
  if (meaning === 'authoredby') return [names.facet('author', reference)]
  const itself = names.facet('instance', reference)
  return meaning === 'instance' ? [itself] : [itself, names.facet('reference', reference)]
}

function isDocument(value: unknown): value is PolicyDocument {
  if (!isMap(value) || !only(value, ['type', 'patient', 'grantee', 'salt', 'within', 'except'])) return false
  const { type, patient, grantee, salt, within, except } = value
  return (
    type === DOCUMENT_TYPE &&
    isId(patient) &&
    isId(grantee) &&
    typeof salt === 'string' &&
    /^[A-Za-z0-9_-]{43}$/.test(salt) &&
    (within === undefined || (isMap(within) && only(within, DATA) && isData(within))) &&
    Array.isArray(except) &&
    except.length <= MAX_EXCEPTIONS &&
    except.every((one) => isMap(one) && isException(one))
  )
}

const DATA = ['dataPeriod', 'data']

function isException(value: Record<string, unknown>): boolean {
  const { actors, actions, purposes, labels, categories } = value
  return (
    only(value, [...DATA, 'actors', 'actions', 'purposes', 'labels', 'categories']) &&
    isData(value) &&
    isListOf(actors, isId) &&
    isListOf(actions, (code) => (ACTIONS as readonly unknown[]).includes(code)) &&
    isListOf(purposes, (code) => isText(code) && isPurpose(code)) &&
    isListOf(labels, (code) => isText(code) && isLabelCode(code)) &&
    isListOf(categories, (code) => isText(code) && isCategory(code))
  )
}

function isData({ dataPeriod, data }: Record<string, unknown>): boolean {
  return (
    (dataPeriod === undefined || (isMap(dataPeriod) && isPeriod(dataPeriod))) &&
    isListOf(data, (one) => isMap(one) && isReference(one))
  )
}

function isPeriod(period: Record<string, unknown>): boolean {
  const { from, to } = period
  return only(period, ['from', 'to']) && isTime(from) && isTime(to) && (from as number) < (to as number)
}

function isReference(one: Record<string, unknown>): boolean {
  const { meaning, reference } = one
  return (
    only(one, ['meaning', 'reference']) &&
    (MEANINGS as readonly unknown[]).includes(meaning) &&
    isText(reference) &&
    /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(reference)
  )
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string'
const isTime = (value: unknown): boolean => Number.isSafeInteger(value)
const isId = (value: unknown): boolean => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value)
const only = (value: Record<string, unknown>, keys: readonly string[]): boolean =>
  Object.keys(value).every((key) => keys.includes(key))
/** An empty list would match nothing where its absence matches everything: neither is to be guessed. */
const isListOf = (value: unknown, is: (element: unknown) => boolean): boolean =>
  value === undefined || (Array.isArray(value) && value.length > 0 && value.every(is))

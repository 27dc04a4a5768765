import { canonicalJson } from '../../audit/canonical-json.js'
import { EVERY_LABEL, type LabelCode } from '../../consent/labels.js'
import type { PartyId } from '../../consent/permit.js'
import {
  type DataReference,
  type DataTerms,
  type Exception,
  type Meaning,
  MEANINGS,
  type PolicyDocument,
} from '../../consent/policy-document.js'
import { CATEGORIES } from '../../consent/terms.js'
import { dateRange } from '../../fhir/search/date-range.js'
import { parseReference } from '../../fhir/references.js'
import { ACT_REASON, ACTION_SYSTEM, CATEGORY_SYSTEM, concept, labelCoding, partyActor } from './codes.js'
import { actionsOf, categoriesOf, granteeOf, labelsOf, listAt, objectAt, purposesOf, type Wrong } from './provision.js'

/** What stands in a policy document: what the word itself cannot hold. */
export type Narrowing = Pick<PolicyDocument, 'within' | 'except'>

/** As `Period` says it: the ends of what a FHIR date can say. */
const [FIRST, LAST] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z') + 1]
const REFUSES = ['type', 'actor', 'action', 'securityLabel', 'purpose', 'code', 'dataPeriod', 'data'] as const

/** `undefined`: the word says it all. @param wrong told of everything that would not be enforced */
export function narrowingOf(provision: Record<string, unknown>, wrong: Wrong): Narrowing | undefined {
  const within = dataTerms(provision, 'Consent.provision', wrong)
  const except = listAt(provision['provision']).map((nested, i) =>
    exceptionOf(objectAt(nested), `Consent.provision.provision[${i}]`, wrong),
  )
  const limited = Object.keys(within).length > 0
  return limited || except.length > 0 ? { ...(limited ? { within } : {}), except } : undefined
}

export function narrowingIn({ within, except }: PolicyDocument): Narrowing {
  return { ...(within === undefined ? {} : { within }), except }
}

/** Whether two of them say the same, in whatever order their elements came. */
export function narrowsAlike(a: Narrowing | undefined, b: Narrowing | undefined): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null)
}

/** The elements of a provision that say it again. */
export function narrowed({ within, except }: Narrowing): object {
  return {
    ...toldData(within ?? {}),
    ...(except.length === 0 ? {} : { provision: except.map(toldException) }),
  }
}

function dataTerms(provision: Record<string, unknown>, at: string, wrong: Wrong): DataTerms {
  const { dataPeriod, data } = provision
  return {
    ...(dataPeriod === undefined ? {} : { dataPeriod: periodOf(objectAt(dataPeriod), `${at}.dataPeriod`, wrong) }),
    ...(data === undefined
      ? {}
      : { data: listAt(data).map((one, i) => dataReference(objectAt(one), `${at}.data[${i}]`, wrong)) }),
  }
}

/** From the beginning of its start to the end of its end, as each was written; without an offset UTC is meant. */
function periodOf({ start, end }: Record<string, unknown>, at: string, wrong: Wrong): { from: number; to: number } {
  const from = typeof start === 'string' ? dateRange(start)?.lo : start === undefined ? FIRST : undefined
  const to = typeof end === 'string' ? dateRange(end)?.hi : end === undefined ? LAST : undefined
  if (from === undefined) wrong(`${at}.start`, 'This is no date of FHIR.')
  if (to === undefined) wrong(`${at}.end`, 'This is no date of FHIR.')
  if (start === undefined && end === undefined) wrong(at, 'The period of data has neither start nor end.')
  if (from !== undefined && to !== undefined && to <= from) wrong(at, 'The period of data ends before it starts.')
  return { from: from ?? FIRST, to: to ?? LAST }
}

function dataReference({ meaning, reference }: Record<string, unknown>, at: string, wrong: Wrong): DataReference {
  const text = objectAt(reference)['reference']
  const parsed = typeof text === 'string' ? parseReference(text) : null
  const known = MEANINGS.find((one) => one === meaning)
  if (known === undefined) wrong(`${at}.meaning`, `Not a meaning of data that is enforced; ${MEANINGS.join(', ')}.`)
  const literal = parsed?.kind === 'relative' && parsed.version === undefined
  if (!literal) {
    wrong(
      `${at}.reference`,
      'Data is named by a reference of the form Type/id to this server, without a version: every version is meant.',
    )
  }
  return {
    meaning: known ?? ('instance' satisfies Meaning),
    reference: parsed?.kind === 'relative' ? `${parsed.type}/${parsed.id}` : '',
  }
}

function exceptionOf(nested: Record<string, unknown>, at: string, wrong: Wrong): Exception {
  const inside: Wrong = (expression, diagnostics) => wrong(expression.replace(/^Consent\.provision/, at), diagnostics)
  if (nested['type'] !== 'deny') {
    wrong(
      `${at}.type`,
      'Inside a grant only refusals are served: what is permitted to others or for more is another grant, a Consent of its own.',
    )
  }
  for (const element of Object.keys(nested)) {
    if (element === 'id' || (REFUSES as readonly string[]).includes(element)) continue
    wrong(`${at}.${element}`, `A refusal inside a grant is not enforced by ${element}: leave it out.`)
  }
  const { actor, action, securityLabel, purpose, code } = nested
  const exception: Exception = {
    ...(actor === undefined ? {} : { actors: actorsOf(listAt(actor), inside) }),
    ...(action === undefined ? {} : { actions: actionsOf(nested, inside) }),
    ...(purpose === undefined ? {} : { purposes: purposesOf(nested, inside) }),
    ...(securityLabel === undefined ? {} : { labels: singleLabels(nested, inside) }),
    ...(code === undefined ? {} : { categories: categoriesIn(nested, inside) }),
    ...dataTerms(nested, at, wrong),
  }
  if (Object.keys(exception).length === 0) wrong(at, 'A refusal that names nothing would refuse all that is granted.')
  return exception
}

function singleLabels(nested: Record<string, unknown>, wrong: Wrong): LabelCode[] {
  const labels = labelsOf(nested, wrong)
  const single = labels.filter((label) => label !== EVERY_LABEL)
  if (single.length < labels.length) wrong('Consent.provision.securityLabel', 'A refusal of all labels names none.')
  return single
}

function actorsOf(actors: readonly unknown[], wrong: Wrong): PartyId[] {
  return actors.map((actor) => granteeOf({ actor: [actor] }, wrong))
}

function categoriesIn(nested: Record<string, unknown>, wrong: Wrong) {
  const bits = categoriesOf(nested, wrong)
  return CATEGORIES.filter((_, i) => (bits & (1n << BigInt(i))) !== 0n)
}

function toldData({ dataPeriod, data }: DataTerms): object {
  return {
    ...(dataPeriod === undefined ? {} : { dataPeriod: toldPeriod(dataPeriod) }),
    ...(data === undefined
      ? {}
      : { data: data.map(({ meaning, reference }) => ({ meaning, reference: { reference } })) }),
  }
}

function toldPeriod({ from, to }: { from: number; to: number }): object {
  return {
    ...(from === FIRST ? {} : { start: new Date(from).toISOString() }),
    ...(to === LAST ? {} : { end: new Date(to - 1).toISOString() }),
  }
}

function toldException({ actors, actions, purposes, labels, categories, ...data }: Exception): object {
  return {
    type: 'deny',
    ...(actors === undefined ? {} : { actor: actors.map(partyActor) }),
    ...(actions === undefined ? {} : { action: actions.map((code) => concept(ACTION_SYSTEM, code)) }),
    ...(labels === undefined ? {} : { securityLabel: labels.map(labelCoding) }),
    ...(purposes === undefined ? {} : { purpose: purposes.map((code) => ({ system: ACT_REASON, code })) }),
    ...(categories === undefined ? {} : { code: categories.map((code) => concept(CATEGORY_SYSTEM, code)) }),
    ...toldData(data),
  }
}

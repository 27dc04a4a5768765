import { EVERY_LABEL, type GrantableLabel, isLabelCode } from '../../consent/labels.js'
import type { Action, PartyId } from '../../consent/permit.js'
import {
  ALL_CATEGORIES,
  CATEGORIES,
  type Category,
  categoryBits,
  isCategory,
  isPurpose,
  OPEN_END,
  type Purpose,
  PURPOSES,
} from '../../consent/terms.js'
import {
  ACT_CODE,
  ACT_REASON,
  ACTION_SYSTEM,
  CATEGORY_SYSTEM,
  CONFIDENTIALITY,
  HL7_ACTION,
  LABEL_SYSTEM,
  PARTY_SYSTEM,
} from './codes.js'

/** Told of everything that does not fit. */
export type Wrong = (expression: string, diagnostics: string) => void

const HL7_ACTIONS: Readonly<Record<string, Action>> = { access: 'read', collect: 'create', correct: 'update' }
/** Breaking the glass is never granted: the contract has a word of its own for it. */
const GRANTABLE_PURPOSES = PURPOSES.filter((purpose) => purpose !== 'BTG').join(', ')
const GRANTABLE: readonly Action[] = ['read', 'create', 'update', 'delete', 'export', 'subscribe']

interface Coding {
  system?: string
  code?: string
}

export function granteeOf(provision: Record<string, unknown>, wrong: Wrong): PartyId {
  const actors = listAt(provision['actor'])
  const identifier = objectAt(objectAt(objectAt(actors[0])['reference'])['identifier'])
  const value = identifier['value']
  if (actors.length === 1 && identifier['system'] === PARTY_SYSTEM && typeof value === 'string') {
    if (/^0x[0-9a-fA-F]{64}$/.test(value)) return value.toLowerCase() as PartyId
  }
  wrong(
    'Consent.provision.actor',
    `Exactly one actor is needed, its reference.identifier of system ${PARTY_SYSTEM} with the party's 32-byte id (0x…).`,
  )
  return '0x'
}

export function labelsOf(provision: Record<string, unknown>, wrong: Wrong): GrantableLabel[] {
  const labels = new Set<GrantableLabel>()
  const codings = codingsAt(provision['securityLabel'])
  codings.forEach(({ system, code = '' }, i) => {
    const ours = system === LABEL_SYSTEM || system === ACT_CODE
    if (system === LABEL_SYSTEM && code === EVERY_LABEL) labels.add(EVERY_LABEL)
    else if (ours && isLabelCode(code) && code !== 'OTHER') labels.add(code)
    else if (system === CONFIDENTIALITY && ['N', 'M', 'L', 'U'].includes(code)) labels.add('general')
    else if (system === CONFIDENTIALITY && code === 'R') labels.add('R')
    else
      wrong(`Consent.provision.securityLabel[${i}]`, 'Not a label that this server keeps apart; see CodeSystem/label.')
  })
  if (codings.length === 0) {
    wrong('Consent.provision.securityLabel', 'Name the labels that are granted, such as general; none is implied.')
  }
  return [...labels]
}

export function actionsOf(provision: Record<string, unknown>, wrong: Wrong): Action[] {
  const actions = new Set<Action>()
  const concepts = listAt(provision['action'])
  concepts.forEach((concept, i) => {
    const known = codingsAt(objectAt(concept)['coding']).map(({ system, code = '' }) => {
      if (system === ACTION_SYSTEM) return GRANTABLE.find((action) => action === code)
      return system === HL7_ACTION ? HL7_ACTIONS[code] : undefined
    })
    const action = known.find((a) => a !== undefined)
    if (action) actions.add(action)
    else
      wrong(`Consent.provision.action[${i}]`, `Not an action of a grant; ${GRANTABLE.join(', ')} of ${ACTION_SYSTEM}.`)
  })
  if (concepts.length === 0) wrong('Consent.provision.action', 'Name the actions that are granted; none is implied.')
  return [...actions]
}

export function purposesOf(provision: Record<string, unknown>, wrong: Wrong): Purpose[] {
  const purposes = new Set<Purpose>()
  const codings = codingsAt(provision['purpose'])
  codings.forEach(({ system, code = '' }, i) => {
    if (system === ACT_REASON && isPurpose(code) && code !== 'BTG') purposes.add(code)
    else wrong(`Consent.provision.purpose[${i}]`, `Not a purpose of a grant; ${GRANTABLE_PURPOSES} of ${ACT_REASON}.`)
  })
  if (codings.length === 0) wrong('Consent.provision.purpose', 'Name the purposes of use; none is implied.')
  return [...purposes]
}

export function categoriesOf(provision: Record<string, unknown>, wrong: Wrong): bigint {
  const categories = new Set<Category>()
  const concepts = listAt(provision['code'])
  concepts.forEach((concept, i) => {
    const known = codingsAt(objectAt(concept)['coding']).find(
      ({ system, code = '' }) => system === CATEGORY_SYSTEM && isCategory(code),
    )?.code
    if (known !== undefined && isCategory(known)) categories.add(known)
    else
      wrong(`Consent.provision.code[${i}]`, `Not a clinical category; ${CATEGORIES.join(', ')} of ${CATEGORY_SYSTEM}.`)
  })
  return concepts.length === 0 ? ALL_CATEGORIES : categoryBits(categories)
}

export function periodOf(provision: Record<string, unknown>, now: number, wrong: Wrong): { from: number; to: number } {
  const period = objectAt(provision['period'])
  const from = instant(period['start'], Math.floor(now / 1000), 'Consent.provision.period.start', wrong)
  const to = instant(period['end'], OPEN_END, 'Consent.provision.period.end', wrong)
  if (to <= from) wrong('Consent.provision.period', 'The period ends before it starts.')
  if (to <= now / 1000) wrong('Consent.provision.period.end', 'The period has ended already.')
  return { from, to }
}

function instant(value: unknown, missing: number, expression: string, wrong: Wrong): number {
  if (value === undefined) return missing
  const at = typeof value === 'string' && value.includes('T') ? Date.parse(value) : NaN
  if (Number.isFinite(at)) return Math.floor(at / 1000)
  wrong(expression, 'Give date and time with an offset, as in 2026-01-31T00:00:00Z: consent is decided to the second.')
  return missing
}

export function objectAt(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

export function listAt(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function codingsAt(value: unknown): Coding[] {
  return listAt(value).map((coding) => objectAt(coding) as Coding)
}

import { effectiveVeto, effectiveWord, type VetoChange, type WordChange } from './effective.js'
import { ALL_LABELS, maskOfLabelId } from './labels.js'
import type { PartyId, PatientId } from './permit.js'
import { actionNumber, WORD_ACTIONS } from './terms.js'
import { type ConsentWord, FLAG_POLICY, unpackWord } from './word.js'

/** An event of a registry, as it is kept. */
export interface StoredEvent {
  readonly name: string
  readonly args: Record<string, unknown>
  readonly block: number
}

/** A row of `grant`. */
export interface GrantRow {
  readonly patient: PatientId
  readonly grantee: PartyId
  readonly mask: bigint
  readonly action: number
  readonly word: ConsentWord
}

interface Key {
  readonly grantee: PartyId
  readonly mask: bigint
  readonly action: number
  readonly changes: WordChange[]
}

const EMERGENCY = actionNumber('emergency')
/** No document has it: a word that says it has one permits nothing before the event that names which. */
const UNNAMED = `0x${'00'.repeat(32)}` as const

/** The rows that a patient's history leaves in force (now or later). */
export function grantRows(patient: PatientId, events: readonly StoredEvent[], finalized: number): GrantRow[] {
  const keys = new Map<string, Key>()
  const vetoes: VetoChange[] = []
  for (const event of events) {
    const { name, args, block } = event
    if (name === 'EmergencyVetoChanged') vetoes.push({ block, vetoed: args['vetoed'] !== false })
    else if (name === 'AllConsentsRevoked') {
      for (const { changes } of keys.values()) changes.push({ block, word: null })
    } else change(keys, event)
  }
  const vetoed = effectiveVeto(vetoes, finalized)
  return [...keys.values()].flatMap(({ grantee, mask, action, changes }) => {
    if (action === EMERGENCY && vetoed) return []
    const word = effectiveWord(changes, finalized)
    return word === null ? [] : [{ patient, grantee, mask, action, word }]
  })
}

/** What one event gives or takes, under each key that it names. */
function change(keys: Map<string, Key>, { name, args, block }: StoredEvent): void {
  const broken = name === 'GlassBroken'
  const pinned = name === 'PolicyPinned'
  if (!broken && !pinned && name !== 'ConsentGranted' && name !== 'ConsentRevoked') return
  const mask = broken ? ALL_LABELS : maskOfLabelId(String(args['label']))
  if (mask === null) return
  const grantee = String(args['grantee']) as PartyId
  const word = name === 'ConsentRevoked' || pinned ? null : givenWord(BigInt(String(args['consent'])))
  const actions = broken ? 1 << EMERGENCY : Number(args['actions'])
  for (let action = 0; action < WORD_ACTIONS.length; action++) {
    if ((actions & (1 << action)) === 0) continue
    const key = `${grantee}|${mask}|${action}`
    const held = keys.get(key) ?? { grantee, mask, action, changes: [] }
    if (pinned) pin(held.changes, String(args['policyHash']) as `0x${string}`)
    else held.changes.push({ block, word })
    keys.set(key, held)
  }
}

function givenWord(packed: bigint): ConsentWord {
  const word = unpackWord(packed)
  return (word.flags & FLAG_POLICY) === 0 ? word : { ...word, policies: [UNNAMED] }
}

/** The event follows that of the word. */
function pin(changes: WordChange[], policy: `0x${string}`): void {
  const last = changes.pop()
  if (last === undefined) return
  changes.push(last.word === null ? last : { ...last, word: { ...last.word, policies: [policy] } })
}

import { type ConsentWord, intersect } from './word.js'

/** What happened to one (patient, grantee, label, action), in the order of the chain. */
export interface WordChange {
  readonly block: number
  /** `null`: revoked, by itself or with everything of the patient. */
  readonly word: ConsentWord | null
}

/** Whether the patient forbids from this block on that the glass is broken. */
export interface VetoChange {
  readonly block: number
  readonly vetoed: boolean
}

/**
 * The word that is in force for a key when blocks up to `finalized` are final and later ones may still be undone.
 *
 * Taking away counts from the block that holds it; giving counts once its block is final (DESIGN.md, section 8).
 * A grant that replaces a word may do both, so until it is final only what the old word and the new one both permit
 * is in force.
 */
export function effectiveWord(changes: readonly WordChange[], finalized: number): ConsentWord | null {
  let word: ConsentWord | null = null
  for (const change of changes) {
    if (change.word === null) word = null
    else if (change.block <= finalized) word = change.word
    else if (word !== null) word = intersect(word, change.word)
  }
  return word
}

/** A veto takes away, so it counts from its block, and that it was lifted once that is final. */
export function effectiveVeto(changes: readonly VetoChange[], finalized: number): boolean {
  let forbidden = false
  for (const { block, vetoed } of changes) {
    if (vetoed) forbidden = true
    else if (block <= finalized) forbidden = false
  }
  return forbidden
}

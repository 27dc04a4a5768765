import { anchors } from './anchors.js'
import { type Check, type Finding, type Material, reason } from './check.js'
import { consent } from './consent.js'
import { cursor } from './cursor.js'
import { ledgerTrail } from './ledger-trail.js'
import { log } from './log.js'
import { receipts } from './receipts.js'
import { records } from './records.js'
import { segments } from './segments.js'
import { trail } from './trail.js'

/** In the order in which they are printed. */
export const CHECKS: Readonly<Record<string, Check>> = {
  cursor,
  log,
  segments,
  trail,
  records,
  anchors,
  consent,
  'ledger-trail': ledgerTrail,
  receipts,
}

export interface CheckReport {
  readonly check: string
  /** What was looked at; `null`: the check could not be finished. */
  readonly looked: string | null
  readonly findings: readonly Finding[]
  /** Why it could not be finished. */
  readonly failure?: string
}

/** Recomputes everything from the chain and the rows; each check goes on where another fails. */
export async function* fsck(material: Material): AsyncGenerator<CheckReport> {
  for (const [name, check] of Object.entries(CHECKS)) {
    const findings: Finding[] = []
    try {
      const run = check(material)
      let next = await run.next()
      for (; next.done !== true; next = await run.next()) findings.push(next.value)
      yield { check: name, looked: next.value, findings }
    } catch (error) {
      yield { check: name, looked: null, findings, failure: reason(error) }
    }
  }
}

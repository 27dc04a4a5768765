import { grantedLabelId } from '../../consent/labels.js'
import type { ConsentReceipt } from '../../consent/receipt.js'
import type { ReceiptVerdict, WordState } from '../../consent/receipt-verdict.js'
import { actionNumber, purposesOf as purposesIn } from '../../consent/terms.js'
import { readPolicyDocument } from '../../consent/policy-document.js'
import { ConsentryError } from '../../errors.js'
import type { Resource } from '../../fhir/types.js'
import { narrowingIn, narrowingOf, narrowsAlike } from './narrowing.js'
import { provisionIn } from './pcf.js'
import { actionsOf, categoriesOf, granteeOf, labelsOf, purposesOf } from './provision.js'

const GONE: ReadonlySet<WordState> = new Set(['withdrawn', 'replaced'])

/**
 * The Consent in a receipt gives to nobody else, for nothing else and no more than the words that were proven.
 * @throws ConsentryError `integrity`
 */
export function requireSaysNoMore({ consent, ledger }: ConsentReceipt, { words }: ReceiptVerdict): void {
  // The shape of a receipt's Consent is looked at element by element.
  const provision = provisionIn(consent as unknown as Resource)
  const wrong: string[] = []
  const note = (expression: string): void => void wrong.push(expression)
  const active = consent['status'] === 'active'
  const held = new Set(
    words.filter(({ state }) => !active || !GONE.has(state)).map(({ label, action }) => `${label}|${action}`),
  )
  if (provision['type'] !== 'permit') note('Consent.provision.type')
  if (granteeOf(provision, note) !== ledger.grant.grantee) note('Consent.provision.actor')
  if (String(categoriesOf(provision, note)) !== ledger.grant.categories) note('Consent.provision.code')
  const purposes = purposesOf(provision, note)
  if (purposes.toSorted().join() !== purposesIn(ledger.grant.purposes).toSorted().join()) {
    note('Consent.provision.purpose')
  }
  const document = ledger.policy === undefined ? undefined : readPolicyDocument(Buffer.from(ledger.policy))
  const narrowing = narrowingOf(provision, note)
  if (!narrowsAlike(narrowing, document && narrowingIn(document))) note('Consent.provision.data')
  const actions = actionsOf(provision, note)
  for (const label of labelsOf(provision, note)) {
    if (actions.some((action) => !held.has(`${grantedLabelId(label)}|${actionNumber(action)}`))) {
      note('Consent.provision.securityLabel')
    }
  }
  if (wrong.length === 0) return
  const what = [...new Set(wrong)].join(', ')
  throw new ConsentryError('integrity', `The Consent does not say what the ledger has: ${what}.`)
}

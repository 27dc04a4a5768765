import { evidenceExtension } from '../../audit/balp.js'
import { instant } from '../../consent/instant.js'
import { labelCodes, labelBits, labelsGranted } from '../../consent/labels.js'
import type { GrantedTerms } from '../../consent/ledger-grants.js'
import { ALL_CATEGORIES, CATEGORIES, OPEN_END, purposesOf as purposesIn } from '../../consent/terms.js'
import type { Resource } from '../../fhir/types.js'
import {
  ACT_CODE,
  ACT_REASON,
  ACTION_SYSTEM,
  CATEGORY_SYSTEM,
  CONFIDENTIALITY,
  EVIDENCE,
  GRANT_PROFILE,
  concept,
  labelCoding,
  partyActor,
} from './codes.js'
import { actionsOf, categoriesOf, granteeOf, labelsOf, objectAt, purposesOf } from './provision.js'
import { type Narrowing, narrowed, narrowingOf, narrowsAlike } from './narrowing.js'
import { isPcf, provisionIn } from './pcf.js'
import type { Telling } from './telling.js'

/** What the policy document of a grant says. */
export interface NarrowedTerms {
  readonly narrowing?: Narrowing
}

/** Where the events of the consent contract are. */
export interface LedgerAddress {
  readonly chainId: number
  readonly contract: string
}

/**
 * A Consent that says what the ledger says: its own elements as they are, the ledger's (profile, status, evidence,
 * verification, period) as told, the rest of the provision too where it says something else.
 */
export function tellConsent(
  base: Resource,
  terms: GrantedTerms & NarrowedTerms,
  telling: Telling,
  ledger: LedgerAddress,
): Resource {
  const { extension, verification: _, ...own } = base
  const others = (Array.isArray(extension) ? (extension as { url?: unknown }[]) : []).filter((e) => e.url !== EVIDENCE)
  const extensions = [...others, ...evidenceOf(telling, ledger)]
  const profiles = base.meta?.profile ?? []
  const provision = objectAt(base['provision'])
  return {
    ...own,
    meta: {
      ...base.meta,
      profile: isPcf(base) || profiles.includes(GRANT_PROFILE) ? profiles : [...profiles, GRANT_PROFILE],
    },
    ...(extensions.length === 0 ? {} : { extension: extensions }),
    status: telling.status,
    ...verificationOf(telling),
    provision: {
      ...(saysTheSame(provisionIn(base), terms, telling) ? provision : provisionOf(terms, telling)),
      ...periodOf(terms),
    },
  }
}

/** The Consent of a grant that was made on the ledger alone, or whose Consent this gateway may not open any more. */
export function consentOf(patient: string, telling: Telling, labels: bigint | null): Resource {
  const security = labels ?? labelBits(labelsGranted(telling.labels))
  const codes = labelCodes(security).filter((code) => code !== 'general')
  return {
    resourceType: 'Consent',
    meta: {
      profile: [GRANT_PROFILE],
      ...(codes.length === 0
        ? {}
        : { security: codes.map((code) => ({ system: code === 'R' ? CONFIDENTIALITY : ACT_CODE, code })) }),
    },
    status: telling.status,
    scope: concept('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
    category: [concept(ACT_CODE, 'IDSCL')],
    patient: { reference: patient },
    ...(telling.evidence === null ? {} : { dateTime: instant(telling.evidence.blockTime) }),
    policyRule: concept(ACT_CODE, 'OPTIN'),
  }
}

function provisionOf(
  { grantee, purposes, categories, narrowing }: GrantedTerms & NarrowedTerms,
  { labels, actions }: Telling,
): object {
  const codes =
    categories === ALL_CATEGORIES ? [] : CATEGORIES.filter((_, i) => (categories & (1n << BigInt(i))) !== 0n)
  return {
    type: 'permit',
    actor: [partyActor(grantee)],
    action: actions.map((code) => concept(ACTION_SYSTEM, code)),
    securityLabel: labels.map(labelCoding),
    purpose: purposesIn(purposes).map((code) => ({ system: ACT_REASON, code })),
    ...(codes.length === 0 ? {} : { code: codes.map((code) => concept(CATEGORY_SYSTEM, code)) }),
    ...(narrowing === undefined ? {} : narrowed(narrowing)),
  }
}

/** Whether a provision gives just what is told of the grant; its period apart. */
export function saysTheSame(
  provision: Record<string, unknown>,
  terms: Pick<GrantedTerms, 'grantee' | 'purposes' | 'categories'> & NarrowedTerms,
  telling: Pick<Telling, 'labels' | 'actions'>,
): boolean {
  let wrong = provision['type'] !== 'permit'
  const note = (): void => {
    wrong = true
  }
  const same = (a: readonly string[], b: readonly string[]): boolean => a.toSorted().join() === b.toSorted().join()
  const equal =
    granteeOf(provision, note) === terms.grantee &&
    same(labelsOf(provision, note), telling.labels) &&
    same(actionsOf(provision, note), telling.actions) &&
    same(purposesOf(provision, note), purposesIn(terms.purposes)) &&
    categoriesOf(provision, note) === terms.categories &&
    narrowsAlike(narrowingOf(provision, note), terms.narrowing)
  return equal && !wrong
}

function evidenceOf({ evidence }: Telling, ledger: LedgerAddress): object[] {
  return evidence === null ? [] : [evidenceExtension({ ...ledger, ...evidence })]
}

function verificationOf({ status, evidence }: Telling): object {
  if (evidence === null) return {}
  return { verification: [{ verified: status === 'active', verificationDate: instant(evidence.blockTime) }] }
}

function periodOf({ from, to }: GrantedTerms): object {
  const start = from === 0 ? {} : { start: instant(from) }
  const end = to === OPEN_END ? {} : { end: instant(to) }
  return from === 0 && to === OPEN_END ? {} : { period: { ...start, ...end } }
}

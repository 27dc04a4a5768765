import { id as keccakOfText } from 'ethers'
import { ConsentryError } from '../errors.js'
import type { LabelBits } from './permit.js'

/**
 * A label is a compartment of a patient's record with a policy key of its own: `general`, and the sensitivity
 * classes of DS4P (v3-ActCode InformationSensitivityPolicy,
 * https://terminology.hl7.org/3.1.0/ValueSet-v3-InformationSensitivityPolicy.html).
 * `R` is a record of confidentiality R or V without a class, `OTHER` one of a class that this gateway does not know:
 * unknown means deny, so nobody reads it under `general`. The position is the bit in the rows and never changes; new
 * labels are appended. Bit 63 stays free: a signed bigint holds the set.
 */
export const LABEL_CODES = [
  'general',
  'ETH',
  'PSY',
  'SUD',
  'HIV',
  'STD',
  'SDV',
  'SEX',
  'GDIS',
  'BH',
  'MH',
  'PSYTHPN',
  'ETHUD',
  'OPIOIDUD',
  'SPI',
  'SCA',
  'SICKLE',
  'TBOO',
  'VIO',
  'DVD',
  'COGN',
  'EMOTDIS',
  'PREGNANT',
  'MST',
  'IDS',
  'R',
  'OTHER',
] as const

export type LabelCode = (typeof LABEL_CODES)[number]

export const GENERAL: LabelBits = 1n

/**
 * The label of the audit trail's own records. It is no label of a patient's record, nobody can grant it, and
 * ALL_LABELS does not mean it: only an auditor's permit covers it.
 */
export const AUDIT: LabelBits = 1n << 62n

/**
 * The label of notices: what a gateway itself writes of who asks for access and who took it (Tasks, Communications). They lie in the
 * patient's compartment and are no part of the record that consent is about: the entity that wrote them and the patient read them
 * whatever was granted or revoked, nobody else does, and no client changes them. Nobody can grant it, and ALL_LABELS does not mean it.
 */
export const NOTICE: LabelBits = 1n << 61n

/** The key that stands for every label in the contract: own-entity care is granted under it. */
export const ALL_LABELS_ID = `0x${'00'.repeat(32)}` as const

/** A mask with every label bit set, as a signed 64-bit number. */
export const ALL_LABELS: LabelBits = -1n

const POSITION: ReadonlyMap<string, number> = new Map(LABEL_CODES.map((code, position) => [code, position]))
const RESTRICTED = LABEL_CODES.indexOf('R')
const OTHER = LABEL_CODES.indexOf('OTHER')
const LABEL_IDS: readonly `0x${string}`[] = LABEL_CODES.map(
  (code) => keccakOfText(`consentry.label.${code}`) as `0x${string}`,
)
const BY_ID: ReadonlyMap<string, LabelCode> = new Map(LABEL_IDS.map((id, i) => [id, LABEL_CODES[i] as LabelCode]))

/** What a grant can name: a label, or every one of them, known or not (`ALL_LABELS_ID`). */
export type GrantableLabel = LabelCode | typeof EVERY_LABEL
export const EVERY_LABEL = 'all'

export function isLabelCode(code: string): code is LabelCode {
  return POSITION.has(code)
}

/**
 * The set of the given security codes: v3-ActCode sensitivity classes and `R`/`V` confidentiality, as found in
 * meta.security. None means `general`, a class we do not know means `OTHER`. A record with several labels needs
 * every one of them.
 */
export function labelBits(codes: Iterable<string>): LabelBits {
  let bits = 0n
  let restricted = false
  for (const code of codes) {
    if (code === 'R' || code === 'V') restricted = true
    else if (code !== 'general') bits |= 1n << BigInt(POSITION.get(code) ?? OTHER)
  }
  if (bits !== 0n) return bits
  return restricted ? 1n << BigInt(RESTRICTED) : GENERAL
}

/** The codes of a set, in the order of their positions. */
export function labelCodes(bits: LabelBits): LabelCode[] {
  if (bits === ALL_LABELS) return [...LABEL_CODES]
  return LABEL_CODES.filter((_, position) => (bits & (1n << BigInt(position))) !== 0n)
}

/** bytes32 of a label on the ledger: keccak-256 of `consentry.label.<code>`. */
export function labelId(code: LabelCode): `0x${string}` {
  return LABEL_IDS[POSITION.get(code) as number] as `0x${string}`
}

/** bytes32 of what a grant names. */
export function grantedLabelId(label: GrantableLabel): `0x${string}` {
  return label === EVERY_LABEL ? ALL_LABELS_ID : labelId(label)
}

/** The labels that it stands for. */
export function labelsGranted(labels: readonly GrantableLabel[]): readonly LabelCode[] {
  return labels.flatMap((label) => (label === EVERY_LABEL ? LABEL_CODES : [label]))
}

/** The code of a bytes32 label of the ledger; `undefined` for one that this gateway does not know, and for `ALL_LABELS_ID`. */
export function labelCodeOf(id: string): LabelCode | undefined {
  return BY_ID.get(id.toLowerCase())
}

/** The mask that a bytes32 label of the ledger stands for; `null` for one that this gateway does not know. */
export function maskOfLabelId(id: string): LabelBits | null {
  if (id === ALL_LABELS_ID) return ALL_LABELS
  const code = labelCodeOf(id)
  return code === undefined ? null : 1n << BigInt(POSITION.get(code) as number)
}

export function requireLabelCode(code: string, expression: string): LabelCode {
  if (isLabelCode(code)) return code
  throw new ConsentryError('invalid', `Unknown label '${code}'; known labels are ${LABEL_CODES.join(', ')}.`, {
    code: 'code-invalid',
    expression: [expression],
  })
}

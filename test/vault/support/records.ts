import { randomBytes } from 'node:crypto'
import type { RecordSubject } from '../../../src/consent/permit.js'
import { type CapsuleKey, newCapsuleKey, policySecret } from '../../../src/vault/keys.js'
import type { OpeningKeys, SealedRecord } from '../../../src/vault/open.js'
import { SecretKey } from '../../../src/vault/pre/index.js'
import { type Author, seal, type Sealed } from '../../../src/vault/seal.js'

const party = randomBytes(32)

/** A hospital that seals, a patient, and a capsule key for each of three labels. */
export const author: Author = { id: party, key: SecretKey.random() }
export const root = new Uint8Array(randomBytes(32))
export const capsuleKeys: CapsuleKey[] = ['general', 'PSY', 'HIV'].map((label) =>
  newCapsuleKey(policySecret(root, label, 0).publicKey),
)
export const [general] = capsuleKeys as [CapsuleKey]

export const subject: RecordSubject = {
  patient: `0x${randomBytes(32).toString('hex')}`,
  origin: `0x${party.toString('hex')}`,
  labels: 1n,
  categories: 1n,
}

export const openingKeys: OpeningKeys = {
  capsuleKey(capsule) {
    const found = capsuleKeys.find((known) => Buffer.compare(known.capsule, capsule) === 0)
    if (!found) throw new Error('no such capsule')
    return found.key
  },
  authorKeys: (id) => (Buffer.compare(id, party) === 0 ? [author.key.publicKey.toBytes()] : []),
}

export function sealOne(
  body: Uint8Array,
  keys: readonly CapsuleKey[] = [general],
  id = 'Observation/o1',
  version = 1,
): Sealed {
  return seal([{ id, version, body, keys, subject }], author)[0] as Sealed
}

/** As a gateway hands it to `open` after fetching. */
export function fetched(
  { cid, blocks: [envelope, ...chunks] }: Sealed,
  record = { id: 'Observation/o1', version: 1 },
): SealedRecord {
  return { subject, record, cid, envelope: envelope?.bytes as Uint8Array, chunks: chunks.map(({ bytes }) => bytes) }
}

/** An invented resource of 4.3 kB, as large as the floors of DESIGN.md section 11 are for. */
export function observation(): Buffer {
  const component = Array.from({ length: 21 }, (_, i) => ({
    code: {
      coding: [
        { system: 'http://loinc.org', code: `${8000 + i * 37}-${i % 10}`, display: `Measured value ${i * 7919}` },
      ],
    },
    valueQuantity: { value: i * 1.37, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
  }))
  return Buffer.from(
    JSON.stringify({
      resourceType: 'Observation',
      id: 'f1a4c0e2-7f54-4b69-9d3e-0c9b0f0e7a11',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '24323-8', display: 'Comprehensive metabolic panel' }] },
      subject: { reference: 'Patient/5f0a3c8e-9f0b-4f69-8f0a-3a1f4d0c7b22' },
      effectiveDateTime: '2024-03-09T08:40:00+01:00',
      component,
    }),
  )
}

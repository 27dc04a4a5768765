/** Invented values of FHIR elements. Each takes a source of numbers in [0, 1). */
export const pick = (random, list) => list[Math.floor(random() * list.length)]
export const int = (random, below) => Math.floor(random() * below)
export const two = (n) => String(n).padStart(2, '0')
export const hex = (random, n) => Array.from({ length: n }, () => '0123456789abcdef'[int(random, 16)]).join('')
export const uuid = (r) => `${hex(r, 8)}-${hex(r, 4)}-4${hex(r, 3)}-${pick(r, ['8', '9', 'a', 'b'])}${hex(r, 3)}-${hex(r, 12)}`
export const date = (r) => `${1940 + int(r, 87)}-${two(1 + int(r, 12))}-${two(1 + int(r, 28))}`
export const zone = (r) => pick(r, ['-05:00', '-04:00', '+00:00', '+01:00', '+02:00', 'Z'])
export const time = (r) => `${date(r)}T${two(int(r, 24))}:${two(int(r, 60))}:${two(int(r, 60))}${pick(r, ['', '.000', `.${int(r, 1000)}`])}${zone(r)}`
export const word = (r) => pick(r, SYLLABLES) + pick(r, SYLLABLES) + pick(r, ['', pick(r, SYLLABLES)])
export const Word = (r) => word(r).replace(/^./, (c) => c.toUpperCase())
export const SYLLABLES = ['ba', 'den', 'fro', 'gil', 'hu', 'kar', 'lin', 'mo', 'nes', 'ort', 'pel', 'ris', 'sta', 'tur', 'vex', 'wil']
export const number = (r) => pick(r, [int(r, 300), Math.round(r() * 1e4) / 100, r() * 100])

export const HL7 = 'http://terminology.hl7.org/CodeSystem/'
export const SNOMED = 'http://snomed.info/sct'
export const LOINC = 'http://loinc.org'
export const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm'
export const UCUM = 'http://unitsofmeasure.org'

export const coding = (system, code, display) => ({ system, code, ...(display === undefined ? {} : { display }) })
export const concept = (system, code, display) => ({
  coding: [coding(system, code, display)],
  ...(display === undefined ? {} : { text: display }),
})
export const bound = (system, code, display) => ({ coding: [coding(HL7 + system, code, display)] })
export const snomed = (r) => {
  const [code, display] = pick(r, CLINICAL)
  return concept(SNOMED, code ?? String(1e7 + int(r, 1e9)), display ?? `${Word(r)} ${word(r)} (${pick(r, ['disorder', 'finding', 'procedure', 'situation'])})`)
}
export const CLINICAL = [
  ['73211009', 'Diabetes mellitus'], ['38341003', 'Hypertension'], ['195967001', 'Asthma'], ['444814009', 'Viral sinusitis (disorder)'],
  ['10509002', 'Acute bronchitis (disorder)'], ['271737000', 'Anemia (disorder)'], ['430193006', 'Medication Reconciliation (procedure)'], [], [], [], [],
]
/** A reference as it is stored, or as it comes in a transaction. */
export const reference = (r, type, display) => ({
  reference: pick(r, [`${type}/${uuid(r)}`, `${type}/${uuid(r)}`, `urn:uuid:${uuid(r)}`]),
  ...(display === undefined ? {} : { display }),
})
export const profile = (name) => ({ profile: [`http://hl7.org/fhir/us/core/StructureDefinition/us-core-${name}`] })
export const meta = (r, name) => {
  const known = name === undefined ? {} : profile(name)
  return pick(r, [{ versionId: '1', lastUpdated: time(r), ...known }, { ...known, versionId: '1', lastUpdated: time(r) }])
}
export const narrative = (r, text) => (r() < 0.15 ? { text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${text}</div>` } } : {})
export const start = (r, resourceType, name) => ({ resourceType, id: uuid(r), meta: meta(r, name), ...narrative(r, Word(r)) })
export const period = (r) => ({ start: time(r), end: time(r) })
export const identifier = (r) => ({ use: 'official', system: pick(r, ['https://hospital.example/mrn', 'urn:ietf:rfc:3986', 'http://hl7.org/fhir/sid/us-npi']), value: pick(r, [uuid(r), String(int(r, 1e10)), `urn:uuid:${uuid(r)}`]) })
export const money = (r) => ({ value: Math.round(r() * 1e5) / 100, currency: pick(r, ['USD', 'USD', 'EUR']) })
export const quantity = (r, unit) => ({ value: number(r), unit, system: UCUM, code: unit })
export const person = (r) => ({ use: 'official', family: Word(r), given: [Word(r)], ...(r() < 0.5 ? { prefix: [pick(r, ['Mr.', 'Mrs.', 'Ms.', 'Dr.'])] } : {}) })
export const phone = (r) => ({ system: pick(r, ['phone', 'email', 'fax']), value: `555-${100 + int(r, 900)}-${1000 + int(r, 9000)}`, use: pick(r, ['home', 'work', 'mobile']) })
export const address = (r) => ({ use: 'home', line: [`${int(r, 999)} ${Word(r)} ${pick(r, ['Street', 'Road', 'Avenue'])}`], city: Word(r), state: pick(r, ['MA', 'NY', 'CA']), postalCode: String(10000 + int(r, 89999)), country: pick(r, ['US', 'DE']) })

export const without = (name, value) => Object.fromEntries(Object.entries(value).filter(([key]) => key !== name))

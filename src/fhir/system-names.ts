/**
 * Code systems that have a URI in FHIR, by the OID under which HL7 registered them and CDA names them
 * (https://hl7.org/fhir/R4/terminologies-systems.html, https://terminology.hl7.org/external_terminologies.html): those that sensitivity value
 * sets are made of.
 */
const URI_OF: ReadonlyMap<string, string> = new Map([
  ['urn:oid:2.16.840.1.113883.6.96', 'http://snomed.info/sct'],
  ['urn:oid:2.16.840.1.113883.6.1', 'http://loinc.org'],
  ['urn:oid:2.16.840.1.113883.6.88', 'http://www.nlm.nih.gov/research/umls/rxnorm'],
  ['urn:oid:2.16.840.1.113883.6.12', 'http://www.ama-assn.org/go/cpt'],
  ['urn:oid:2.16.840.1.113883.6.90', 'http://hl7.org/fhir/sid/icd-10-cm'],
  ['urn:oid:2.16.840.1.113883.6.3', 'http://hl7.org/fhir/sid/icd-10'],
  ['urn:oid:2.16.840.1.113883.6.103', 'http://hl7.org/fhir/sid/icd-9-cm'],
])

/** The URI of a code system, by whichever of its names. */
export function systemUri(name: string): string {
  return URI_OF.get(name) ?? name
}

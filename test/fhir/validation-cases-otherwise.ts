/**
 * Validator cases that are judged otherwise than by the Java validator: the sentence of R4 (4.0.1) behind each, or the
 * terminology that is missing.
 */
export const OTHERWISE: Readonly<Record<string, string>> = {
  // Java: "urn is not a valid hyperlinkable scheme"
  message:
    'http.html#trules has servers replace <a href="urn:uuid:…"> in a narrative, so a message or transaction may hold it; narrative.html names no schemes',
  // Java: nothing; Firely refuses
  'list-bad-reference':
    'references.html#literal: a relative reference has the form [type]/[id], "XXX/_history/1" names no type',
  'bundle-id-5': 'terminology: the displays of CVX (http://hl7.org/fhir/sid/cvx)',
  'contained-resource-bad-id-ignore':
    'the file of contained-resource-bad-id with the rule switched off: datatypes.html#id allows 64 of [A-Za-z0-9-.]',
  'no.gastronet': 'terminology: SNOMED CT, and the package colonoscopyreport.no 0.7.4',
  'encounter-period':
    'datatypes.html#Period: a date stands for the whole day, so 2023-06-21 does not begin after 2023-06-21T06:20Z',
  mimic: 'terminology: the value sets of the package of http://mimic.fhir.mit.edu',
  'profile-patient-op1':
    'extensibility.html: systems do not reject a resource because of extensions that they do not know',
  'ips-nz-pj': 'terminology: the displays of LOINC',
  'ips-link-xml': 'terminology: the displays of LOINC; the extension textLink is not part of R4',
}

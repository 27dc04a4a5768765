/** Request bodies of another server's tests: what is wrong with each that we refuse. */
export const SERVER_TESTFILES: Readonly<Record<string, RegExp>> = {
  'Bundle-TransactionWithConditionalCreateAndReference.json': /URI without white space|sopClass|modality/,
  'Bundle-TransactionWithInvalidBundleEntry.json': /line 39, column 26, at \/entry\/0\/resource\/status/,
  'Bundle-TransactionWithInvalidResourceType.json': /relative reference must be/,
  'Bundle-TransactionWithPOSTFullUrlMatchesWithPUTRequestUrl.json': /fullUrl must be an absolute URL/,
  'Bundle-TypeMissing.json': /Bundle\.type: type is required/,
  'BulkUpdateSampleData.json': /relative reference|dom-3|must be an array|must be an instant|is required|no element/,
  'CompositeCustomReferenceTokenSearchParameterStu3.json': /must be a non-empty URI/, // a Reference in STU3
  'CompositeCustomTokenQuantitySearchParameterStu3.json': /must be a non-empty URI/,
  'CompositeCustomTokenTokenOverflowSearchParameterStu3.json': /must be a non-empty URI/,
  'Import-DupPatientTemplate.ndjson': /Patient\.id: must be an id/, // a template with ##PatientID##
  'Import-Observation.ndjson': /must be an id|relative reference/,
  'Includes-TestResources.json': /result: must be an array/,
  'LegacyRawReindexJobRecord.json': /must have resourceType/,
  'Medication.json': /dom-3/,
  'Observation-For-Patient-f001.json': /interpretation: must be an array/,
  'ObservationWithNoCode.json': /Observation\.code: code is required/,
  'ObservationWithTemperature.json': /interpretation: must be an array/,
  'PatientMissingResourceType.json': /resourceType must be one of/,
  'SearchDataBatch.json': /must be an array|must be an instant|is required|no element/,
  'SearchParameterInvalidType.json': /SearchParameter\.type: the code is not in the required value set/,
  'SearchParameterMissingExpression.json': /SearchParameter\.expression: must be a string with at least one character/,
  'SearchParameterMissingType.json': /SearchParameter\.type: must be a code/,
  'SmartCommon.json': /relative reference/,
  'SmartCompartmentResources.json': /relative reference|is required/,
  'Specimen.json': /relative reference|ref-1/,
  'WeightInGrams.json': /div is required in Narrative/,
  'devicemetric-example.json': /DeviceMetric\.parent/,
  'plandefinition-example.json': /<div> that is not closed/, // the file is cut
  'practitionerrole-questionnaire.json': /linkId is required/,
}

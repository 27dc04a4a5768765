import type { Resource } from './types.js'

/**
 * The clinical categories of US Core's groups of data, by resource type. A type that is missing here is
 * `uncategorised`; Observation and DiagnosticReport are told apart by their own `category`.
 */
const BY_TYPE: Readonly<Record<string, string>> = {
  Patient: 'demographics',
  RelatedPerson: 'demographics',
  Person: 'demographics',
  Condition: 'problems',
  AllergyIntolerance: 'allergies',
  Medication: 'medications',
  MedicationRequest: 'medications',
  MedicationStatement: 'medications',
  MedicationAdministration: 'medications',
  MedicationDispense: 'medications',
  Immunization: 'immunizations',
  ImmunizationRecommendation: 'immunizations',
  ImmunizationEvaluation: 'immunizations',
  Specimen: 'laboratory',
  DiagnosticReport: 'laboratory',
  MolecularSequence: 'laboratory',
  DocumentReference: 'clinical-notes',
  Composition: 'clinical-notes',
  DocumentManifest: 'clinical-notes',
  ImagingStudy: 'imaging',
  Media: 'imaging',
  BodyStructure: 'imaging',
  Procedure: 'procedures',
  ServiceRequest: 'procedures',
  CarePlan: 'care-plans',
  CareTeam: 'care-plans',
  Goal: 'care-plans',
  NutritionOrder: 'care-plans',
  RequestGroup: 'care-plans',
  Encounter: 'encounters',
  EpisodeOfCare: 'encounters',
  Appointment: 'encounters',
  AppointmentResponse: 'encounters',
  Coverage: 'coverage',
  Claim: 'coverage',
  ClaimResponse: 'coverage',
  ExplanationOfBenefit: 'coverage',
  CoverageEligibilityRequest: 'coverage',
  CoverageEligibilityResponse: 'coverage',
  EnrollmentRequest: 'coverage',
  Account: 'coverage',
  ChargeItem: 'coverage',
  Invoice: 'coverage',
  Consent: 'consents',
  Device: 'devices',
  DeviceUseStatement: 'devices',
  DeviceRequest: 'devices',
  QuestionnaireResponse: 'assessments',
  RiskAssessment: 'assessments',
  ClinicalImpression: 'assessments',
  FamilyMemberHistory: 'family-history',
}

/** http://terminology.hl7.org/CodeSystem/observation-category and the v2-0074 sections used by reports. */
const BY_CATEGORY: Readonly<Record<string, string>> = {
  laboratory: 'laboratory',
  LAB: 'laboratory',
  'vital-signs': 'vital-signs',
  imaging: 'imaging',
  RAD: 'imaging',
  'social-history': 'social-history',
  procedure: 'procedures',
  survey: 'assessments',
  sdoh: 'assessments',
  'functional-status': 'assessments',
  'disability-status': 'assessments',
  'cognitive-status': 'assessments',
  'clinical-note': 'clinical-notes',
}

/** Category codes of consent/terms.ts. A record in several categories needs a grant that covers each of them. */
export function clinicalCategories(resource: Resource): string[] {
  const found = new Set<string>()
  if (resource.resourceType === 'Observation' || resource.resourceType === 'DiagnosticReport') {
    for (const code of categoryCodes(resource['category'])) {
      const category = BY_CATEGORY[code]
      if (category !== undefined) found.add(category)
    }
  }
  if (found.size === 0) {
    const category = BY_TYPE[resource.resourceType]
    if (category !== undefined) found.add(category)
  }
  return [...found]
}

function* categoryCodes(category: unknown): Generator<string> {
  if (!Array.isArray(category)) return
  for (const concept of category as { coding?: unknown }[]) {
    if (!Array.isArray(concept?.coding)) continue
    for (const coding of concept.coding as { code?: unknown }[]) {
      if (typeof coding?.code === 'string') yield coding.code
    }
  }
}

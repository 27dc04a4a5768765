import { laboratory, vital, pressure, survey } from './observations.mjs'
import { patient, encounter, condition, procedure, medication, immunization, report, allergy, carePlan, careTeam, imaging, device, administration, supply, goal } from './clinical.mjs'
import { claim, benefit, document, organization, practitioner, auditEvent, provenance, consent } from './administration.mjs'

/**
 * Invented FHIR R4 resources, as servers and their clients write them: element names in the order of the specification,
 * systems and codes that the specification and its US and international profiles bind. Each takes a source of numbers in [0, 1).
 */
export const SHAPES = [
  ...Array(5).fill(laboratory), ...Array(4).fill(vital), pressure, pressure, survey,
  ...Array(3).fill(encounter), ...Array(3).fill(procedure), ...Array(3).fill(claim), ...Array(3).fill(benefit),
  condition, condition, medication, medication, report, report, immunization, document, document,
  ...Array(4).fill(auditEvent),
  patient, allergy, carePlan, careTeam, organization, practitioner, imaging, device, administration, supply, goal, provenance, consent,
]

import { pick, int, time, SNOMED, LOINC, UCUM, concept, bound, reference, start, quantity, without } from './values.mjs'

/** Observations as laboratories and wards write them. */
export const VITALS = [
  ['8302-2', 'Body Height', 'cm'], ['29463-7', 'Body Weight', 'kg'], ['39156-5', 'Body Mass Index', 'kg/m2'], ['8867-4', 'Heart rate', '/min'],
  ['9279-1', 'Respiratory rate', '/min'], ['8310-5', 'Body temperature', 'Cel'], ['72514-3', 'Pain severity - 0-10 verbal numeric rating [Score] - Reported', '{score}'],
  ['2708-6', 'Oxygen saturation in Arterial blood', '%'],
]
export const TESTS = [
  ['4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood', '%'], ['2339-0', 'Glucose', 'mg/dL'], ['38483-4', 'Creatinine', 'mg/dL'], ['2947-0', 'Sodium', 'mmol/L'],
  ['6298-4', 'Potassium', 'mmol/L'], ['2069-3', 'Chloride', 'mmol/L'], ['49765-1', 'Calcium', 'mg/dL'], ['2093-3', 'Total Cholesterol', 'mg/dL'], ['2571-8', 'Triglycerides', 'mg/dL'],
  ['6690-2', 'Leukocytes [#/volume] in Blood by Automated count', '10*3/uL'], ['718-7', 'Hemoglobin [Mass/volume] in Blood', 'g/dL'], ['777-3', 'Platelets [#/volume] in Blood by Automated count', '10*3/uL'],
  ['33914-3', 'Estimated Glomerular Filtration Rate', 'mL/min/{1.73_m2}'],
]
export const observed = (r, category, display, [code, name, unit], profile) => ({
  ...start(r, 'Observation', profile),
  status: 'final',
  category: [bound('observation-category', category, display)],
  code: concept(LOINC, code, name),
  subject: reference(r, 'Patient'),
  encounter: reference(r, 'Encounter'),
  effectiveDateTime: time(r),
  issued: time(r),
  valueQuantity: quantity(r, unit),
})
export const laboratory = (r) => ({
  ...observed(r, 'laboratory', pick(r, ['laboratory', 'Laboratory']), pick(r, TESTS), 'observation-lab'),
  ...(r() < 0.2
    ? {
        interpretation: [bound('v3-ObservationInterpretation', pick(r, ['H', 'L', 'N']), pick(r, ['High', 'Low', 'Normal']))],
        referenceRange: [{ low: quantity(r, 'mg/dL'), high: quantity(r, 'mg/dL'), type: bound('referencerange-meaning', 'normal', 'Normal Range') }],
      }
    : {}),
})
export const vital = (r) => observed(r, 'vital-signs', pick(r, ['vital-signs', 'Vital Signs']), pick(r, VITALS), 'vital-signs')
export const pressure = (r) => {
  const rest = without('valueQuantity', observed(r, 'vital-signs', 'vital-signs', ['85354-9', 'Blood Pressure', ''], 'blood-pressure'))
  const part = (code, name) => ({ code: concept(LOINC, code, name), valueQuantity: { value: 60 + int(r, 90), unit: pick(r, ['mm[Hg]', 'mmHg']), system: UCUM, code: 'mm[Hg]' } })
  return { ...rest, component: [part('8462-4', 'Diastolic Blood Pressure'), part('8480-6', 'Systolic Blood Pressure')] }
}
export const survey = (r) => {
  const rest = without('valueQuantity', observed(r, pick(r, ['survey', 'social-history']), 'survey', ['72166-2', 'Tobacco smoking status NHIS', ''], 'smokingstatus'))
  return { ...rest, valueCodeableConcept: concept(SNOMED, '266919005', 'Never smoker') }
}


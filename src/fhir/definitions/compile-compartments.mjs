import { sorted } from './source.mjs'

/**
 * Compiles the Patient CompartmentDefinition into `{ type: [[parameter, path], …] }`: where a reference to a
 * Patient puts a resource into that patient's compartment. `where(resolve() is Patient)` needs no trace,
 * because only references to a Patient count at any of the places.
 *
 * @param {import('./source.mjs').Source} source
 */
export function compilePatientCompartment(source) {
  const definition = source.read('CompartmentDefinition-patient')
  const parameters = source
    .all('SearchParameter')
    .filter((p) => p.url.startsWith('http://hl7.org/fhir/SearchParameter/'))
  return sorted(
    definition.resource.map(({ code: type, param = [] }) => [
      type,
      param.flatMap((code) => {
        const parameter = parameters.find((p) => p.code === code && p.base.includes(type))
        if (parameter === undefined) throw new Error(`There is no search parameter ${type}.${code}`)
        return pathsOf(type, parameter).map((path) => [code, path])
      }),
    ]),
  )
}

/**
 * Every CompartmentDefinition of R4 as `{ compartment: { type: [parameter, …] } }`: a resource of the type is in the compartment when one of the
 * search parameters refers to its owner; `{def}` is the owner itself.
 *
 * @param {import('./source.mjs').Source} source
 */
export function compileCompartments(source) {
  return sorted(
    ['device', 'encounter', 'patient', 'practitioner', 'relatedPerson'].map((name) => {
      const { code, resource } = source.read(`CompartmentDefinition-${name}`)
      const types = resource.flatMap(({ code: type, param = [] }) => (param.length === 0 ? [] : [[type, param]]))
      return [code, sorted(types)]
    }),
  )
}

function pathsOf(type, parameter) {
  const members = parameter.expression
    .split('|')
    .map((member) => member.trim().replace(/\.where\(resolve\(\) is Patient\)$/, ''))
  const paths = members.filter((member) => member.startsWith(`${type}.`)).map((member) => member.slice(type.length + 1))
  const odd = paths.find((path) => !/^[a-zA-Z]+(\.[a-zA-Z]+)*$/.test(path))
  if (paths.length === 0 || odd !== undefined) {
    throw new Error(`${type}.${parameter.code} is not a plain path: ${parameter.expression}`)
  }
  return paths
}

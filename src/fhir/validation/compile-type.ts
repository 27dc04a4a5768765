import { type ElementRow, type ElementType, structures } from '../definitions/structures.js'
import { bindingOf } from './bindings.js'
import {
  besideValue,
  type Check,
  constrained,
  extensionOfBound,
  primitive,
  referenceTo,
  repeated,
  repeatedExtensions,
  repeatedPrimitive,
  single,
} from './checks.js'
import { ObjectCheck, type ObjectPlan, type Property } from './object-check.js'
import { isPrimitive } from './primitives.js'
import { checkNestedResource } from './resource-check.js'
import { NATIVE_RULES, type Rule, ruleOf } from './rules.js'

const checks = new Map<string, ObjectCheck>()

/** The check of a type (`Patient`, `HumanName`) or of a path inside one (`Patient.contact`), compiled on first use. */
export function objectCheck(name: string): ObjectCheck {
  let check = checks.get(name)
  if (check === undefined) {
    check = new ObjectCheck(name, () => planOf(name))
    checks.set(name, check)
  }
  return check
}

function planOf(name: string): ObjectPlan {
  const type = structures().types[name]
  if (type === undefined) throw new RangeError(`There is no type ${name} in R4.`)
  const properties = new Map<string, Property>()
  const requiredNames = new Map<number, string>()
  let required = 0
  let bit = 1
  // Resource.resourceType was read already to find this type
  if (type.kind === 'resource')
    properties.set('resourceType', { step: 'resourceType', check: accept, bit: 0, choice: undefined })
  for (const row of type.elements) {
    const [element, min] = row
    const choice = element.endsWith('[x]') ? element : undefined
    const own = min > 0 || choice !== undefined ? bit : 0
    if (own !== 0) bit <<= 1
    if (bit === 0) throw new RangeError(`${name} has more than 31 required elements and choices.`)
    if (min > 0) {
      required |= own
      requiredNames.set(own, element)
    }
    for (const elementType of row[3]) addProperties(properties, row, elementType, own, choice)
  }
  const rules = [...rulesOf(type.rules), ...(NATIVE_RULES[name] ?? [])]
  return { properties, required, requiredNames, rules, idIsContent: type.kind === 'resource' || name === 'Element' }
}

const accept: Check = () => {}

function rulesOf(indexes: readonly number[] | undefined): Rule[] {
  return (indexes ?? []).map(ruleOf).filter((rule) => rule !== undefined)
}

function addProperties(
  properties: Map<string, Property>,
  row: ElementRow,
  type: ElementType,
  bit: number,
  choice: string | undefined,
): void {
  const [element, , max, , valueSet, rules] = row
  const code = typeof type === 'string' ? type : type[0]
  const suffix = code === 'SimpleQuantity' ? 'Quantity' : code.charAt(0).toUpperCase() + code.slice(1)
  const name = choice === undefined ? element : element.slice(0, -3) + suffix
  const step =
    choice === undefined ? element : `${element.slice(0, -3)}.ofType(${suffix === 'Quantity' ? suffix : code})`
  const binding = typeof valueSet === 'string' ? bindingOf(valueSet) : undefined
  const once = max === 1
  if (isPrimitive(code) || code === 'xhtml') {
    const check = primitive(code, binding, rulesOf(rules))
    properties.set(name, { step, check: once ? single(check) : repeatedPrimitive(check, name), bit, choice })
    // ids of elements and the url of an extension are attributes in XML and cannot be extended
    if (code === 'element-id' || code === 'extension-url' || (code === 'id' && element === 'id')) return
    const content = objectCheck('Element').check
    const extension = binding === undefined ? content : extensionOfBound(content, name)
    const beside = once ? single(besideValue(extension, name)) : repeatedExtensions(extension, name)
    properties.set(`_${name}`, { step, check: beside, bit, choice })
    return
  }
  const check = constrained(complex(type, code), code, binding, rulesOf(rules))
  properties.set(name, { step, check: once ? single(check) : repeated(check), bit, choice })
}

function complex(type: ElementType, code: string): Check {
  if (code === 'Resource') return (value, walk) => checkNestedResource(value, walk, objectCheck)
  if (code === 'Reference') return referenceTo(typeof type === 'string' ? [] : type.slice(1), objectCheck(code).check)
  return objectCheck(code.startsWith('#') ? code.slice(1) : code).check
}

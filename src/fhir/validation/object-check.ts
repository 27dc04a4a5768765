import { ExactNumber } from '../json.js'
import type { Check } from './checks.js'
import { applyRules, type Rule } from './rules.js'
import { type Walk, WALK_LIMITS } from './walk.js'

type JsonMap = Readonly<Record<string, unknown>>

/** What a JSON property of a type may hold. */
export interface Property {
  /** As FHIRPath names it: `value.ofType(Quantity)` for `valueQuantity`, `given` for `_given`. */
  readonly step: string
  readonly check: Check
  /** Bit of a required element or a choice in the masks of its type; 0 for others. */
  readonly bit: number
  /** Name of the choice, `value[x]`, that this property is one type of. */
  readonly choice: string | undefined
}

/** One type, or one path with children inside a type, compiled. */
export interface ObjectPlan {
  readonly properties: ReadonlyMap<string, Property>
  /** Bits of the elements that must be there, and their names by bit. */
  readonly required: number
  readonly requiredNames: ReadonlyMap<number, string>
  readonly rules: readonly Rule[]
  /** Of a data type an id alone is nothing (ele-1); of a resource, and beside a primitive, it may be all. */
  readonly idIsContent: boolean
}

/** Checks JSON objects of one type in a single pass over their properties. */
export class ObjectCheck {
  private plan: ObjectPlan | undefined

  constructor(
    readonly name: string,
    private readonly load: () => ObjectPlan,
  ) {}

  readonly check: Check = (value, walk) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof ExactNumber) {
      walk.error('structure', `must be a JSON object of type ${this.name}.`)
      return
    }
    if (walk.depth > WALK_LIMITS.depth) {
      walk.tooDeep = true
      walk.error('too-costly', `is nested deeper than the allowed ${WALK_LIMITS.depth} levels.`)
      return
    }
    walk.budget += WALK_LIMITS.invariantStepsPerObject
    const object = value as JsonMap
    const plan = (this.plan ??= this.load())
    let seen = 0
    let empty = true
    for (const key in object) {
      // a resource that the gateway itself built may have these; JSON has not
      if (object[key] === undefined) continue
      if (key !== 'id' || plan.idIsContent) empty = false
      const property = plan.properties.get(key)
      if (property === undefined) {
        this.unknown(key, walk)
        continue
      }
      if (property.bit !== 0) {
        if (property.choice !== undefined && (seen & property.bit) !== 0) this.oneOf(property, key, object, plan, walk)
        seen |= property.bit
      }
      walk.enter(property.step)
      property.check(object[key], walk, object)
      walk.leave()
    }
    if (empty) walk.error('structure', 'must not be an empty object, nor an id alone (ele-1); leave the element out.')
    else if ((plan.required & ~seen) !== 0) this.missing(plan, seen, walk)
    // invariants presuppose the required elements: without Bundle.type most of its rules would fail beside the point
    else if (plan.rules.length > 0) applyRules(plan.rules, object, walk)
  }

  private unknown(key: string, walk: Walk): void {
    const shown = /^[A-Za-z0-9_:.-]{1,60}$/.test(key) ? key : 'of that name'
    walk.enter(shown === key ? key : 'element')
    walk.error('structure', `there is no element ${shown} in ${this.name}.`)
    walk.leave()
  }

  /** `valueString` and `_valueString` are one; `valueString` and `valueCode` are two and one too many. */
  private oneOf(property: Property, key: string, object: JsonMap, plan: ObjectPlan, walk: Walk): void {
    const names = Object.keys(object).filter((name) => plan.properties.get(name)?.choice === property.choice)
    const types = [...new Set(names.map((name) => name.replace(/^_/, '')))]
    if (types.length < 2 || key !== names.at(-1)) return
    walk.error('structure', `only one type of ${property.choice ?? ''} may be there, not ${types.join(' and ')}.`)
  }

  private missing(plan: ObjectPlan, seen: number, walk: Walk): void {
    for (const [bit, name] of plan.requiredNames) {
      if ((seen & bit) !== 0) continue
      walk.enter(name.replace('[x]', ''))
      walk.error('required', `${name} is required in ${this.name}.`)
      walk.leave()
    }
  }
}

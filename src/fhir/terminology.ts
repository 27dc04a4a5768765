import { Canonicals } from './canonicals.js'
import { baseTerminology } from './definitions/structures.js'
import { CodeSystem, type Concept, type Subsumption } from './terminology/code-system.js'
import {
  type CodeOf,
  type Member,
  type Membership,
  type Sources,
  UnknownContent,
  ValueSet,
} from './terminology/compose.js'
import type { Resource } from './types.js'

export { UnknownContent }
export type { CodeOf, CodeSystem, Concept, Member, Membership, Subsumption, ValueSet }

/**
 * The code systems and value sets at hand (https://hl7.org/fhir/R4/terminology-module.html): those of R4 and what was
 * added to them, evaluated on demand. Nothing here guesses: what depends on a code system that is not here is unknown.
 */
export class Terminology implements Sources {
  private readonly codeSystems: Canonicals
  private readonly valueSets: Canonicals
  private readonly read = new Map<Resource, CodeSystem | ValueSet>()

  /** @param beneath asked for what is not among the resources */
  constructor(
    resources: readonly Resource[],
    private readonly beneath?: Terminology,
  ) {
    this.codeSystems = new Canonicals(resources.filter(isDefinition))
    this.valueSets = new Canonicals(resources.filter(({ resourceType }) => resourceType === 'ValueSet'))
    // CodeSystem.valueSet is the canonical of the value set of all its codes
    for (const { valueSet, url } of this.codeSystems.values()) {
      if (typeof valueSet !== 'string' || this.valueSets.get(valueSet) !== undefined) continue
      this.valueSets.add({ resourceType: 'ValueSet', url: valueSet, compose: { include: [{ system: url }] } })
    }
  }

  codeSystem(canonical: string): CodeSystem | undefined {
    const resource = this.codeSystems.get(canonical)
    if (resource === undefined) return this.beneath?.codeSystem(canonical)
    return this.once(resource, () => new CodeSystem(resource)) as CodeSystem
  }

  valueSet(canonical: string): ValueSet | undefined {
    const resource = this.valueSets.get(canonical)
    if (resource === undefined) return this.beneath?.valueSet(canonical)
    return this.once(resource, () => new ValueSet(resource, this)) as ValueSet
  }

  /** A ValueSet that came with a request. */
  valueSetOf(resource: Resource): ValueSet {
    return new ValueSet(resource, this)
  }

  /** A required version of a value set that is not here is answered by the version that is. */
  holds(valueSet: string, code: CodeOf): Membership {
    return this.find(valueSet)?.holds(code) ?? 'unknown'
  }

  /** All codes of a value set, as `:in` needs them. @throws UnknownContent naming what is not here */
  expand(valueSet: string): readonly Member[] {
    const found = this.find(valueSet)
    if (found === undefined) throw new UnknownContent(valueSet)
    return found.expand()
  }

  /** The code and all codes under it, as `:below` needs them. @throws UnknownContent */
  subsumed(system: string, code: string): readonly CodeOf[] {
    return this.codesAround(system, (codeSystem) => codeSystem.subsumed(code), code)
  }

  /** The code and all codes above it, as `:above` needs them. @throws UnknownContent */
  subsuming(system: string, code: string): readonly CodeOf[] {
    return this.codesAround(system, (codeSystem) => codeSystem.subsuming(code), code)
  }

  private codesAround(system: string, around: (codeSystem: CodeSystem) => Concept[], code: string): CodeOf[] {
    const codeSystem = this.codeSystem(system)
    const concepts = codeSystem === undefined ? [] : around(codeSystem)
    if (codeSystem === undefined || (concepts.length === 0 && !codeSystem.complete)) throw new UnknownContent(system)
    return concepts.length === 0 ? [{ system, code }] : concepts.map((concept) => ({ system, code: concept.code }))
  }

  private find(canonical: string): ValueSet | undefined {
    return this.valueSet(canonical) ?? this.valueSet(canonical.split('|')[0] ?? '')
  }

  private once(resource: Resource, make: () => CodeSystem | ValueSet): CodeSystem | ValueSet {
    let made = this.read.get(resource)
    if (made === undefined) {
      made = make()
      this.read.set(resource, made)
    }
    return made
  }
}

/** A supplement has the canonical of its own and no codes of its own. */
function isDefinition({ resourceType, content }: Resource): boolean {
  return resourceType === 'CodeSystem' && content !== 'supplement'
}

let base: Terminology | undefined

/** The code systems and value sets of R4, read once on first use. */
export function r4Terminology(): Terminology {
  base ??= new Terminology(baseTerminology())
  return base
}

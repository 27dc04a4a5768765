import type { Resource } from '../types.js'
import type { CodeSystem, Concept } from './code-system.js'
import { type Filter, type Select, selection } from './filter.js'

/** A code of a code system, as a search or a binding asks for it. `system` absent: of any system. */
export interface CodeOf {
  readonly system?: string | undefined
  readonly code: string
}

/** Whether a code is in a value set; `unknown` where that depends on a code system or value set that is not here. */
export type Membership = 'in' | 'out' | 'unknown'

/** A code of an expansion. */
export interface Member {
  readonly system: string
  readonly code: string
  readonly display: string | undefined
  readonly inactive: boolean
  readonly abstract: boolean
}

/** ValueSet.compose.include and exclude, https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.compose. */
interface Part {
  readonly system?: string
  readonly version?: string
  readonly concept?: readonly { readonly code: string; readonly display?: string }[]
  readonly filter?: readonly Filter[]
  readonly valueSet?: readonly string[]
}

/** Where a compose finds what it names. */
export interface Sources {
  codeSystem(canonical: string): CodeSystem | undefined
  valueSet(canonical: string): ValueSet | undefined
}

/** Most codes of one expansion; more is a matter for a terminology server. */
export const MAX_EXPANSION = 50_000
/**
 * What one question may cost, since a client may store value sets that include each other: value sets inside of value
 * sets, and codes and parts looked at.
 */
class Effort {
  private static readonly MAX_NESTING = 20
  private nesting = 0
  private left = 1_000_000

  spend(steps: number): boolean {
    return (this.left -= steps) >= 0
  }

  /** Undefined if that goes too far. */
  within<T>(inner: () => T): T | undefined {
    if (this.nesting >= Effort.MAX_NESTING || !this.spend(1)) return undefined
    this.nesting++
    const answer = inner()
    this.nesting--
    return answer
  }
}

/** What an expansion would need and is not here: the canonical of a code system or value set, or why it has no end. */
export class UnknownContent extends Error {}

/**
 * The content of a ValueSet: `compose` evaluated over the code systems at hand, or a stored `expansion` where there is
 * no compose. Codes outside any code system at hand are known as far as the value set enumerates them.
 */
export class ValueSet {
  readonly url: string | undefined
  private members: readonly Member[] | undefined
  private readonly selections = new Map<Part, readonly Select[] | undefined>()
  private readonly enumerated = new Map<Part, ReadonlySet<string>>()

  constructor(
    readonly resource: Resource,
    private readonly sources: Sources,
  ) {
    this.url = typeof resource['url'] === 'string' ? resource['url'] : undefined
  }

  holds(code: CodeOf, effort = new Effort()): Membership {
    const compose = this.resource['compose'] as { include?: readonly Part[]; exclude?: readonly Part[] } | undefined
    if (compose === undefined) return this.holdsExpanded(code)
    const excluded = this.anyOf(compose.exclude, code, effort)
    if (excluded === 'in') return 'out'
    const included = this.anyOf(compose.include, code, effort)
    return included === 'in' && excluded === 'unknown' ? 'unknown' : included
  }

  /** All codes, in the order of the definition. @throws UnknownContent */
  expand(effort = new Effort()): readonly Member[] {
    if (this.members !== undefined) return this.members
    const { compose } = this.resource
    const { include = [], exclude = [] } = (compose ?? {}) as {
      include?: readonly Part[]
      exclude?: readonly Part[]
    }
    const found = new Map<string, Member>()
    if (compose === undefined) for (const member of this.stored()) found.set(key(member), member)
    for (const part of include) {
      for (const member of this.listed(part, effort)) found.set(key(member), member)
      if (found.size > MAX_EXPANSION) throw new UnknownContent(`an expansion of at most ${MAX_EXPANSION} codes`)
    }
    for (const part of exclude) for (const member of this.listed(part, effort)) found.delete(key(member))
    this.members = [...found.values()]
    return this.members
  }

  private anyOf(parts: readonly Part[] | undefined, code: CodeOf, effort: Effort): Membership {
    let answer: Membership = 'out'
    for (const part of parts ?? []) {
      if (!effort.spend(1)) return 'unknown'
      const one = this.inPart(part, code, effort)
      if (one === 'in') return 'in'
      if (one === 'unknown') answer = 'unknown'
    }
    return answer
  }

  private inPart(part: Part, code: CodeOf, effort: Effort): Membership {
    let answer: Membership = part.system === undefined && part.valueSet === undefined ? 'out' : 'in'
    for (const canonical of part.valueSet ?? []) {
      const set = this.sources.valueSet(canonical)
      const one = (set && effort.within(() => set.holds(code, effort))) ?? 'unknown'
      if (one === 'out') return 'out'
      if (one === 'unknown') answer = 'unknown'
    }
    if (part.system === undefined) return answer
    const one = this.inSystem(part, part.system, code)
    return one === 'in' ? answer : one
  }

  private inSystem(part: Part, system: string, { system: asked, code }: CodeOf): Membership {
    if (asked !== undefined && asked !== system) return 'out'
    if (part.concept !== undefined) return this.codesOf(part, part.concept).has(code) ? 'in' : 'out'
    const codeSystem = this.codeSystem(part, system)
    const concept = codeSystem?.get(code)
    if (codeSystem === undefined) return 'unknown'
    if (concept === undefined) return codeSystem.complete ? 'out' : 'unknown'
    const tests = this.testsOf(part, codeSystem)
    if (tests === undefined) return 'unknown'
    return tests.every((test) => test(concept)) ? 'in' : codeSystem.complete ? 'out' : 'unknown'
  }

  private codesOf(part: Part, concepts: NonNullable<Part['concept']>): ReadonlySet<string> {
    let codes = this.enumerated.get(part)
    if (codes === undefined) {
      codes = new Set(concepts.map(({ code }) => code))
      this.enumerated.set(part, codes)
    }
    return codes
  }

  /** Undefined if one of the filters is not understood. */
  private testsOf(part: Part, codeSystem: CodeSystem): readonly Select[] | undefined {
    if (this.selections.has(part)) return this.selections.get(part)
    const tests = (part.filter ?? []).map((filter) => selection(filter, codeSystem))
    const all = tests.every((test) => test !== undefined) ? tests : undefined
    this.selections.set(part, all)
    return all
  }

  private listed(part: Part, effort: Effort): readonly Member[] {
    const sets = (part.valueSet ?? []).map((canonical) => {
      const set = this.sources.valueSet(canonical)
      const members = set && effort.within(() => set.expand(effort))
      if (members === undefined) throw new UnknownContent(canonical)
      return members
    })
    const own = part.system === undefined ? sets.shift() : this.ofSystem(part, part.system)
    const looked = sets.reduce((sum, members) => sum + members.length, own?.length ?? 0)
    if (!effort.spend(looked)) throw new UnknownContent('an expansion that takes less work')
    const others = sets.map((members) => new Set(members.map(key)))
    return (own ?? []).filter((member) => others.every((other) => other.has(key(member))))
  }

  private ofSystem(part: Part, system: string): readonly Member[] {
    const codeSystem = this.codeSystem(part, system)
    if (part.concept !== undefined) {
      return part.concept.map(({ code, display }) => {
        const concept = codeSystem?.get(code)
        return { ...memberOf(system, concept, code), display: display ?? concept?.display }
      })
    }
    if (codeSystem?.complete !== true) throw new UnknownContent(system)
    const tests = this.testsOf(part, codeSystem)
    if (tests === undefined) throw new UnknownContent(`a filter of ${system}`)
    const members: Member[] = []
    for (const concept of codeSystem.all()) {
      if (tests.every((test) => test(concept))) members.push(memberOf(system, concept, concept.code))
    }
    return members
  }

  private codeSystem({ version }: Part, system: string): CodeSystem | undefined {
    const exact = version === undefined ? undefined : this.sources.codeSystem(`${system}|${version}`)
    return exact ?? this.sources.codeSystem(system)
  }

  private holdsExpanded(code: CodeOf): Membership {
    if (this.resource['expansion'] === undefined) return 'unknown'
    const found = this.stored().some(
      (member) => member.code === code.code && (code.system === undefined || code.system === member.system),
    )
    return found ? 'in' : 'out'
  }

  private stored(): Member[] {
    const { expansion } = this.resource as { expansion?: { contains?: readonly Contained[] } }
    if (expansion === undefined) throw new UnknownContent(this.url ?? 'a value set without compose')
    const waiting = [...(expansion.contains ?? [])]
    return waiting.flatMap(({ system, code, display, inactive, abstract, contains = [] }) => {
      waiting.push(...contains)
      if (system === undefined || code === undefined) return []
      return [{ system, code, display, inactive: inactive === true, abstract: abstract === true }]
    })
  }
}

interface Contained {
  readonly system?: string
  readonly code?: string
  readonly display?: string
  readonly inactive?: boolean
  readonly abstract?: boolean
  readonly contains?: readonly Contained[]
}

function memberOf(system: string, concept: Concept | undefined, code: string): Member {
  const { display, inactive = false, abstract = false } = concept ?? {}
  return { system, code, display, inactive, abstract }
}

const key = ({ system, code }: Member): string => `${system}|${code}`

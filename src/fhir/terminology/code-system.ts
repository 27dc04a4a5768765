import type { Resource } from '../types.js'

/** One code of a code system, with its place in the hierarchy. */
export interface Concept {
  readonly code: string
  readonly display: string | undefined
  readonly definition: string | undefined
  /** No longer to be used, by the property `inactive` or a status of `retired` or `inactive`. */
  readonly inactive: boolean
  /** For grouping only, by the property `notSelectable` or `abstract`. */
  readonly abstract: boolean
  readonly parents: ReadonlySet<string>
  readonly children: ReadonlySet<string>
  readonly properties: readonly Property[]
  readonly designations: readonly Readonly<Record<string, unknown>>[]
}

/** `code` and one `value[x]` as in CodeSystem.concept.property. */
export type Property = Readonly<Record<string, unknown>> & { readonly code: string }

interface Related extends Concept {
  readonly parents: Set<string>
  readonly children: Set<string>
}

interface Row {
  readonly code: string
  readonly display?: string
  readonly definition?: string
  readonly property?: readonly Property[]
  readonly designation?: readonly Readonly<Record<string, unknown>>[]
  readonly concept?: readonly Row[]
}

export type Subsumption = 'equivalent' | 'subsumes' | 'subsumed-by' | 'not-subsumed'

/**
 * The concepts of a CodeSystem resource, https://hl7.org/fhir/R4/codesystem.html. The hierarchy is that of nesting and
 * of the properties `parent`, `child` and `subsumedBy`; it is what `is-a` and `$subsumes` go by.
 */
export class CodeSystem {
  readonly url: string
  readonly version: string | undefined
  readonly name: string | undefined
  /** False for fragments, examples and systems whose codes stand elsewhere: a code that is not here may exist. */
  readonly complete: boolean
  private readonly caseSensitive: boolean
  private readonly concepts = new Map<string, Related>()

  constructor(resource: Resource) {
    this.url = String(resource['url'])
    this.version = textOf(resource['version'])
    this.name = textOf(resource['name'])
    this.complete = resource['content'] === 'complete'
    this.caseSensitive = resource['caseSensitive'] !== false
    this.addAll((resource['concept'] ?? []) as readonly Row[])
    for (const concept of this.concepts.values()) this.relate(concept)
  }

  get(code: string): Concept | undefined {
    return this.concepts.get(this.key(code))
  }

  all(): Iterable<Concept> {
    return this.concepts.values()
  }

  /** The code itself and all that is under it; empty for an unknown code. */
  subsumed(code: string): Concept[] {
    return this.reach(code, ({ children }) => children)
  }

  /** The code itself and all that is above it; empty for an unknown code. */
  subsuming(code: string): Concept[] {
    return this.reach(code, ({ parents }) => parents)
  }

  /** Undefined if one of the codes is unknown. */
  subsumption(a: string, b: string): Subsumption | undefined {
    const [left, right] = [this.get(a), this.get(b)]
    if (left === undefined || right === undefined) return undefined
    if (left === right) return 'equivalent'
    if (this.subsumed(a).includes(right)) return 'subsumes'
    return this.subsumed(b).includes(left) ? 'subsumed-by' : 'not-subsumed'
  }

  private key(code: string): string {
    return this.caseSensitive ? code : code.toLowerCase()
  }

  private addAll(rows: readonly Row[]): void {
    const waiting: { row: Row; parent: Related | undefined }[] = rows.map((row) => ({ row, parent: undefined }))
    for (const { row, parent } of waiting) {
      const concept = this.add(row)
      if (parent !== undefined) link(parent, concept)
      for (const child of row.concept ?? []) waiting.push({ row: child, parent: concept })
    }
  }

  private add(row: Row): Related {
    const known = this.concepts.get(this.key(row.code))
    if (known !== undefined) return known
    const properties = row.property ?? []
    const concept: Related = {
      code: row.code,
      display: row.display,
      definition: row.definition,
      inactive: properties.some(isInactive),
      abstract: properties.some(({ code, valueBoolean }) => isAbstract(code) && valueBoolean === true),
      parents: new Set(),
      children: new Set(),
      properties,
      designations: row.designation ?? [],
    }
    this.concepts.set(this.key(row.code), concept)
    return concept
  }

  private relate(concept: Related): void {
    for (const { code, valueCode } of concept.properties) {
      const other = typeof valueCode === 'string' ? this.concepts.get(this.key(valueCode)) : undefined
      if (other === undefined) continue
      if (code === 'parent' || code === 'subsumedBy') link(other, concept)
      if (code === 'child') link(concept, other)
    }
  }

  private reach(code: string, next: (concept: Concept) => ReadonlySet<string>): Concept[] {
    const start = this.get(code)
    if (start === undefined) return []
    const found = new Set([start])
    for (const concept of found) {
      for (const other of next(concept)) {
        const there = this.get(other)
        if (there !== undefined) found.add(there)
      }
    }
    return [...found]
  }
}

function link(parent: Related, child: Related): void {
  if (parent === child) return
  parent.children.add(child.code)
  child.parents.add(parent.code)
}

function isInactive({ code, valueBoolean, valueCode }: Property): boolean {
  if (code === 'inactive') return valueBoolean === true
  return code === 'status' && (valueCode === 'retired' || valueCode === 'inactive')
}

const isAbstract = (code: string): boolean => code === 'notSelectable' || code === 'abstract'
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

import { valueSets } from '../definitions/structures.js'
import type { Walk } from './walk.js'

/**
 * Required bindings, https://hl7.org/fhir/R4/terminologies.html#required: "the concept SHALL be from the
 * specified value set". Sets from code systems that the R4 definitions do not contain are checked by their
 * syntax where one is known (media types, currencies) and otherwise left to a terminology service.
 */
export interface Binding {
  /** For elements of type code, and for string and uri. */
  checkCode(code: string, walk: Walk): void
  /** For Coding; Quantity counts as a Coding of its unit. */
  checkCoding(coding: unknown, walk: Walk): void
  checkConcept(concept: unknown, walk: Walk): void
}

const SYNTAX: Readonly<Record<string, readonly [RegExp, string]>> = {
  'http://hl7.org/fhir/ValueSet/mimetypes': [
    /^[A-Za-z0-9!#$&^_.+-]+(?:\/[A-Za-z0-9!#$&^_.+-]+)?(?:\s*;.*)?$/,
    'a media type (BCP 13) such as image/png',
  ],
  'http://hl7.org/fhir/ValueSet/currencies': [/^[A-Z]{3}$/, 'a currency of ISO 4217 such as EUR'],
}

export function bindingOf(valueSet: string): Binding | undefined {
  const systems = valueSets()[valueSet]
  if (systems) return new ClosedBinding(valueSet, systems)
  const syntax = SYNTAX[valueSet]
  return syntax && new SyntaxBinding(...syntax)
}

class SyntaxBinding implements Binding {
  constructor(
    private readonly pattern: RegExp,
    private readonly expected: string,
  ) {}

  checkCode(code: string, walk: Walk): void {
    if (!this.pattern.test(code)) walk.error('code-invalid', `the code must be ${this.expected}.`)
  }

  checkCoding(): void {}
  checkConcept(): void {}
}

interface CodingLike {
  system?: unknown
  code?: unknown
}

class ClosedBinding implements Binding {
  private readonly codes: ReadonlySet<string>
  private readonly bySystem: ReadonlyMap<string, ReadonlySet<string>>

  constructor(
    private readonly url: string,
    systems: Readonly<Record<string, readonly string[]>>,
  ) {
    this.bySystem = new Map(Object.entries(systems).map(([system, codes]) => [system, new Set(codes)]))
    this.codes = new Set(Object.values(systems).flat())
  }

  checkCode(code: string, walk: Walk): void {
    if (!this.codes.has(code))
      walk.error('code-invalid', `the code is not in the required value set ${this.expected()}.`)
  }

  checkCoding(coding: unknown, walk: Walk): void {
    if (this.holds(coding)) return
    walk.error('code-invalid', `the coding is not in the required value set ${this.expected()}.`)
  }

  checkConcept(concept: unknown, walk: Walk): void {
    const codings = (concept as { coding?: unknown } | null)?.coding
    if (Array.isArray(codings) && codings.some((coding) => this.holds(coding))) return
    walk.error('code-invalid', `at least one coding must be from the required value set ${this.expected()}.`)
  }

  private holds(coding: unknown): boolean {
    if (typeof coding !== 'object' || coding === null) return false
    const { system, code } = coding as CodingLike
    return typeof system === 'string' && typeof code === 'string' && this.bySystem.get(system)?.has(code) === true
  }

  private expected(): string {
    const codes = [...this.codes]
    const shown = codes.slice(0, 12).join(', ') + (codes.length > 12 ? `, … (${codes.length} codes)` : '')
    const systems = [...this.bySystem.keys()].join(', ')
    return `${this.url} (${shown} of ${systems})`
  }
}

import type { Issue, IssueCode } from '../../errors.js'
import type { CodeOf } from '../terminology.js'
import type { Surroundings } from './fhirpath/items.js'

/** A reference or URI inside a resource that starts with `#`, kept until all contained resources are known. */
export interface LocalReference {
  readonly id: string
  /** Names of the allowed target types, null for any. */
  readonly targets: ReadonlySet<string> | null
  readonly expression: string
}

/** What a resource that is not contained in another one collects while it is walked. */
export interface Frame {
  readonly root: object
  /** Ids after `#` in references, canonicals, URIs and URLs; the empty id is the root itself. */
  readonly mentions: Set<string>
  readonly localReferences: LocalReference[]
}

/** A binding that cannot be decided here: a terminology server may know. */
export interface OpenBinding {
  readonly valueSet: string
  /** One of them must be a member. */
  readonly codes: readonly CodeOf[]
  readonly strength: 'required' | 'extensible'
  readonly expression: string
}

/** Limits that keep one hostile document from costing more than it should. */
export const WALK_LIMITS = { issues: 100, depth: 120, invariantSteps: 2_000_000, invariantStepsPerObject: 100 }

/**
 * The state of one validation: the place in the document and what was found there. The place is a stack of
 * steps that is only turned into text when there is something to say.
 */
export class Walk {
  private issues: Issue[] = []
  private open: OpenBinding[] = []
  /** The resource whose elements are visited; differs from `frame.root` inside a contained resource. */
  resource: object = {}
  frame: Frame | undefined
  /** Steps that invariants may still take in this validation; every object of the document adds some. */
  budget = WALK_LIMITS.invariantSteps
  /** What invariants may look up beyond the resource at hand. */
  surroundings: Surroundings | undefined
  /** Resources inside of the one that is checked, to be checked after it; undefined: at once. */
  later: { readonly steps: readonly (string | number)[]; readonly value: unknown }[] | undefined
  private lenient = false
  /** Set once the budget was spent: no invariant runs any more. */
  exhausted = false
  /** Set once the document turned out deeper than any resource; recursive rules are then left out. */
  tooDeep = false
  private readonly steps: (string | number)[] = []
  private dropped = 0

  constructor(
    readonly wantsWarnings: boolean,
    readonly refusesMarkup = false,
  ) {}

  enter(step: string | number): void {
    this.steps.push(step)
  }

  leave(): void {
    this.steps.pop()
  }

  /** True at an element named `contained`. */
  inContained(): boolean {
    const { steps } = this
    return steps.at(-1) === 'contained' || (typeof steps.at(-1) === 'number' && steps.at(-2) === 'contained')
  }

  /** At the url of an extension: true if that extension is part of another one. */
  inNestedExtension(): boolean {
    const { steps } = this
    return steps.at(-5) === 'extension' || steps.at(-5) === 'modifierExtension'
  }

  get depth(): number {
    return this.steps.length
  }

  /** FHIRPath of the place: `Patient.contact[0].name`, `Observation.value.ofType(Quantity)`. */
  expression(): string {
    let path = ''
    for (const step of this.steps) {
      path += typeof step === 'number' ? `[${step}]` : path === '' ? step : `.${step}`
    }
    return path
  }

  /** Counts work against the budget; false, and told once, when it is spent. */
  spend(steps: number): boolean {
    this.budget -= steps
    if (this.budget >= 0) return true
    if (!this.exhausted) this.error('too-costly', 'this resource needs more work than is allowed to judge it.')
    this.exhausted = true
    return false
  }

  /** True if the work finds no error; nothing of what it finds is kept. */
  silently(work: () => void): boolean {
    const { issues, open, dropped } = this
    this.issues = []
    this.open = []
    work()
    const sound = !this.issues.some(({ severity }) => severity === 'error')
    this.issues = issues
    this.open = open
    this.dropped = dropped
    return sound
  }

  /** Puts off the resource at this place; false if everything is checked at once. */
  putOff(value: unknown): boolean {
    this.later?.push({ steps: [...this.steps], value })
    return this.later !== undefined
  }

  /** Goes to a place that was put off. */
  goTo(steps: readonly (string | number)[]): void {
    this.steps.splice(0, this.steps.length, ...steps)
  }

  /** What the work finds is told, but refuses nothing. */
  leniently(work: () => void): void {
    const outer = this.lenient
    this.lenient = true
    work()
    this.lenient = outer
  }

  /** Goes on in another resource: what follows is about that one. */
  inResource(resource: object, work: () => void): void {
    const outer = { frame: this.frame, resource: this.resource }
    if (!this.inContained()) this.frame = { root: resource, mentions: new Set(), localReferences: [] }
    this.resource = resource
    work()
    this.frame = outer.frame
    this.resource = outer.resource
  }

  leaveOpen(binding: OpenBinding): void {
    if (this.open.length < WALK_LIMITS.issues) this.open.push(binding)
  }

  /** Bindings that are not decided. */
  get openBindings(): readonly OpenBinding[] {
    return this.open
  }

  error(code: IssueCode, diagnostics: string, expression?: string): void {
    this.add('error', code, diagnostics, expression)
  }

  add(
    severity: 'error' | 'warning' | 'information',
    code: IssueCode,
    diagnostics: string,
    expression = this.expression(),
  ): void {
    if (severity === 'error' && this.lenient) severity = 'warning'
    if (severity !== 'error' && !this.wantsWarnings) return
    if (this.issues.length >= WALK_LIMITS.issues) {
      this.dropped++
      return
    }
    const place = expression === '' ? '' : `${expression}: `
    this.issues.push({
      severity,
      code,
      diagnostics: place + diagnostics,
      ...(expression === '' ? {} : { expression: [expression] }),
    })
  }

  /** All issues, with a note if there were more than are listed. */
  result(): Issue[] {
    if (this.dropped > 0) {
      this.issues.push({
        severity: 'error',
        code: 'too-costly',
        diagnostics: `${this.dropped} more issues were found; only the first ${WALK_LIMITS.issues} are listed.`,
      })
      this.dropped = 0
    }
    return this.issues
  }
}

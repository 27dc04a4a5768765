import type { Resource } from '../../types.js'
import type { Judgement } from './judgement.js'
import { alone, isMap } from './match.js'
import { type Test, compileTest } from '../fhirpath/compile.js'
import { UnsupportedExpression } from '../fhirpath/parse.js'
import { applyRules } from '../rules.js'
import { isKnownContext, type Place, placesOf } from './context.js'

export type DefinitionOf = (url: string) => Resource | undefined

type JsonMap = Readonly<Record<string, unknown>>

/**
 * One pass over a document: every extension whose definition is known against that definition and its context
 * (https://hl7.org/fhir/R4/defining-extensions.html#context), and every resource that stands in it handed to
 * `atResource`. Extensions that nobody defined here are allowed anywhere, as R4 has it.
 */
export class Extensions {
  constructor(
    private readonly judgement: Judgement,
    private readonly definitionOf: DefinitionOf,
    /** True for an extension of R4 that HL7 has since allowed in more places and with more codes, under the same url. */
    private readonly isWidened: (definition: Resource, within: object) => boolean,
    private readonly atResource: (resource: JsonMap) => void,
  ) {}

  visit(value: unknown, place: Place | undefined): void {
    const { walk } = this.judgement
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        walk.enter(index)
        this.visit(item, place)
        walk.leave()
      }
      return
    }
    if (!isMap(value) || !walk.spend(1)) return
    const { resourceType } = value
    if (typeof resourceType !== 'string') this.visitProperties(value, place)
    else {
      const here = { within: undefined, key: resourceType }
      walk.inResource(value, () => {
        this.atResource(value)
        this.visitProperties(value, here)
      })
    }
  }

  private visitProperties(value: JsonMap, place: Place | undefined): void {
    const { walk } = this.judgement
    for (const key in value) {
      const inner = value[key]
      if (typeof inner !== 'object' || inner === null) continue
      const name = key.startsWith('_') ? key.slice(1) : key
      walk.enter(name)
      if ((key === 'extension' || key === 'modifierExtension') && Array.isArray(inner)) {
        for (const [index, extension] of inner.entries()) {
          walk.enter(index)
          this.checkExtension(extension, key, value, place)
          walk.leave()
        }
      } else this.visit(inner, { within: place, key: name })
      walk.leave()
    }
  }

  private checkExtension(extension: unknown, key: string, holder: JsonMap, place: Place | undefined): void {
    const { walk, treeOf } = this.judgement
    const url = isMap(extension) ? extension['url'] : undefined
    const definition = typeof url === 'string' ? this.definitionOf(url) : undefined
    const tree = typeof url === 'string' && definition?.['type'] === 'Extension' ? treeOf(url) : undefined
    if (definition !== undefined && tree !== undefined) {
      if (tree.isModifier !== (key === 'modifierExtension')) {
        walk.error('extension', `this extension must be in ${tree.isModifier ? 'modifierExtension' : 'extension'}.`)
      }
      const check = (): void => {
        checkPlace(definition, holder, place, this.judgement)
        this.judgement.check(alone(extension), tree)
      }
      if (this.isWidened(definition, walk.resource)) walk.leniently(check)
      else check()
      checkInvariants(definition, holder, this.judgement)
    }
    if (isMap(extension)) this.visitProperties(extension, { within: place, key: 'extension' })
  }
}

function checkPlace(definition: Resource, holder: JsonMap, place: Place | undefined, { walk }: Judgement): void {
  const contexts = contextsOf(definition)
  // what only a later FHIR version has, and what needs FHIRPath, is not decided here
  if (contexts.length > 0 && contexts.every(isKnownContext)) {
    const here = placesOf(place)
    const around = typeof holder['url'] === 'string' ? holder['url'] : undefined
    const fits = contexts.some(({ type, expression }) =>
      type === 'extension' ? expression === around : here.has(expression),
    )
    if (!fits) {
      const allowed = contexts.map(({ expression }) => expression).join(', ')
      walk.error('extension', `this extension is for ${allowed}, not for ${here.values().next().value ?? 'here'}.`)
    }
  }
}

function checkInvariants(definition: Resource, holder: JsonMap, { walk }: Judgement): void {
  const invariants = definition['contextInvariant']
  for (const expression of Array.isArray(invariants) ? (invariants as string[]) : []) {
    const test = invariantOf(expression)
    if (test === undefined) walk.add('information', 'not-supported', 'the context invariant cannot be evaluated here.')
    else {
      const human = `the element must satisfy ${expression}`
      applyRules([{ key: 'contextInvariant', severity: 'error', human, test }], holder, walk)
    }
  }
}

interface Context {
  readonly type: string
  readonly expression: string
}

const contextsOf = ({ context }: Resource): Context[] => (Array.isArray(context) ? (context as Context[]) : [])

const compiled = new Map<string, Test | undefined>()

function invariantOf(expression: string): Test | undefined {
  if (!compiled.has(expression)) compiled.set(expression, compiledOrNot(expression))
  return compiled.get(expression)
}

function compiledOrNot(expression: string): Test | undefined {
  try {
    return compileTest(expression)
  } catch (error) {
    if (error instanceof UnsupportedExpression) return undefined
    throw error
  }
}

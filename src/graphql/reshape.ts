import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  getOperationAST,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  visit,
} from 'graphql'
import { fragmentsOf } from './fragments.js'

const RESHAPING: ReadonlySet<string> = new Set(['flatten', 'first', 'singleton', 'slice'])
/** Response key of what a slice is named by; taken out again. */
const SLICE = '_slice'

type JsonObject = Record<string, unknown>

/** True if the document asks for any of the directives; without them the answer goes out as it is. */
export function reshapes(document: DocumentNode): boolean {
  let found = false
  visit(document, { Directive: (node) => void (found ||= RESHAPING.has(node.name.value)) })
  return found
}

/**
 * Adds what `@slice(path: "use")` needs to know. Of FHIRPath a path has the name of a child or `$index`.
 *
 * @throws GraphQLError
 */
export function selectSlices(document: DocumentNode): DocumentNode {
  return visit(document, {
    Field(node) {
      const path = slicePath(node)
      if (path === undefined || path === '$index' || node.selectionSet === undefined) return undefined
      if (!/^[A-Za-z]\w*$/.test(path)) {
        throw new GraphQLError('The path of @slice must be the name of a child or $index.', { nodes: node })
      }
      const child: FieldNode = {
        kind: Kind.FIELD,
        alias: { kind: Kind.NAME, value: SLICE },
        name: { kind: Kind.NAME, value: path },
      }
      return { ...node, selectionSet: { ...node.selectionSet, selections: [child, ...node.selectionSet.selections] } }
    },
  })
}

/**
 * Carries out `@flatten`, `@first`, `@singleton` and `@slice` (https://hl7.org/fhir/R4/graphql.html#flattening) on the
 * answer to a prepared document.
 *
 * @throws GraphQLError where `@singleton` meets a second value
 */
export function reshape(document: DocumentNode, operationName: string | undefined, data: unknown): unknown {
  const operation = getOperationAST(document, operationName)
  if (!operation || typeof data !== 'object' || data === null) return data
  return new Reshaper(fragmentsOf(document)).object(operation.selectionSet, data as JsonObject)
}

interface Mode {
  /** Behind every name: `.official` inside of a slice. */
  readonly suffix: string
  /** Inside of a flattened list, where "all the children will become lists". */
  readonly collate: boolean
}

class Reshaper {
  constructor(readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>) {}

  object(set: SelectionSetNode, value: JsonObject): JsonObject {
    const out: JsonObject = {}
    this.#into(out, set, value, { suffix: '', collate: false })
    return out
  }

  #into(out: JsonObject, set: SelectionSetNode, value: JsonObject, mode: Mode): void {
    const fields = new Map<string, FieldNode[]>()
    this.#collect(fields, set, new Set())
    for (const [key, nodes] of fields) {
      if (key === SLICE || !(key in value)) continue
      const node = merged(nodes, value[key])
      if (node !== undefined) this.#field(out, node, key, value, mode)
    }
  }

  /** Fields by response key, as the execution collects them: a fragment counts once however often it is spread. */
  #collect(fields: Map<string, FieldNode[]>, set: SelectionSetNode, spread: Set<string>): void {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const key = selection.alias?.value ?? selection.name.value
        fields.set(key, [...(fields.get(key) ?? []), selection])
      } else if (selection.kind === Kind.INLINE_FRAGMENT) this.#collect(fields, selection.selectionSet, spread)
      else if (!spread.has(selection.name.value)) {
        spread.add(selection.name.value)
        const fragment = this.fragments.get(selection.name.value)
        if (fragment) this.#collect(fields, fragment.selectionSet, spread)
      }
    }
  }

  #field(out: JsonObject, node: FieldNode, key: string, from: JsonObject, mode: Mode): void {
    const value = has(node, 'first') && Array.isArray(from[key]) ? from[key].slice(0, 1) : from[key]
    const items = (Array.isArray(value) ? value : value === null || value === undefined ? [] : [value]) as unknown[]
    const flatten = node.selectionSet !== undefined && has(node, 'flatten')
    const path = slicePath(node)
    if (flatten || path !== undefined) {
      items.forEach((item, index) => {
        if (item === null) return
        const suffix = mode.suffix + (path === undefined ? '' : `.${sliceName(path, item, index)}`)
        if (flatten)
          this.#into(out, node.selectionSet, item as JsonObject, {
            suffix,
            collate: mode.collate || Array.isArray(value),
          })
        else this.#put(out, node, key + suffix, [this.#value(node, item)], true)
      })
      return
    }
    const values = items.filter((item) => item !== null).map((item) => this.#value(node, item))
    const plain = Array.isArray(value) ? values : (values[0] ?? null)
    if (mode.collate || has(node, 'singleton')) this.#put(out, node, key + mode.suffix, values, mode.collate)
    else out[key + mode.suffix] = plain
  }

  #value(node: FieldNode, value: unknown): unknown {
    return node.selectionSet === undefined || typeof value !== 'object' || value === null
      ? value
      : this.object(node.selectionSet, value as JsonObject)
  }

  #put(out: JsonObject, node: FieldNode, name: string, values: readonly unknown[], collate: boolean): void {
    if (!has(node, 'singleton')) {
      if (collate && values.length > 0) out[name] = [...((out[name] as unknown[] | undefined) ?? []), ...values]
      return
    }
    if (values.length > (name in out ? 0 : 1)) {
      throw new GraphQLError(`@singleton: there is more than one ${node.name.value}.`, { nodes: node })
    }
    if (values.length === 1) out[name] = values[0]
  }
}

/** One field for all that are asked under a key; types that share it may have a text there or an object. */
function merged(nodes: readonly FieldNode[], value: unknown): FieldNode | undefined {
  const sample: unknown = Array.isArray(value) ? value.find((item) => item !== null) : value
  const isObject = typeof sample === 'object' && sample !== null && nodes.some(({ selectionSet }) => selectionSet)
  const fitting =
    sample === null || sample === undefined ? nodes : nodes.filter((node) => !node.selectionSet !== isObject)
  const [first] = fitting
  if (first?.selectionSet === undefined || fitting.length === 1) return first
  const selections = fitting.flatMap(({ selectionSet }) => selectionSet?.selections ?? [])
  return { ...first, selectionSet: { ...first.selectionSet, selections } }
}

function has(node: FieldNode, directive: string): boolean {
  return node.directives?.some(({ name }) => name.value === directive) ?? false
}

function slicePath(node: FieldNode): string | undefined {
  const slice = node.directives?.find(({ name }: DirectiveNode) => name.value === 'slice')
  const value = slice?.arguments?.find(({ name }) => name.value === 'path')?.value
  return value?.kind === Kind.STRING ? value.value : undefined
}

function sliceName(path: string, item: unknown, index: number): string {
  if (path === '$index') return String(index)
  const name = (item as JsonObject | null)?.[SLICE]
  return typeof name === 'string' || typeof name === 'number' || typeof name === 'boolean' ? String(name) : ''
}

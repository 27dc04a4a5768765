import {
  GraphQLBoolean,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigMap,
  GraphQLInterfaceType,
  GraphQLList,
  GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLString,
} from 'graphql'
import { listArguments, selectElements } from './list-arguments.js'
import type { GraphqlRequestState } from './request.js'
import { type ResourceArguments, resolveReference } from './resolve-reference.js'
import { scalarOf } from './scalars.js'
import type { ElementRow, GraphqlResource, GraphqlTable } from './table.js'

type State = GraphqlRequestState<unknown>
type Field = GraphQLFieldConfig<Readonly<Record<string, unknown>>, State>
type Fields = GraphQLFieldConfigMap<Readonly<Record<string, unknown>>, State>

/** Makes the object types of resources, data types and their parts, each when it is first asked for. */
export class ElementTypes {
  readonly #made = new Map<string, GraphQLObjectType<Readonly<Record<string, unknown>>, State>>()
  /** What all resources have; `resource` of a Reference and `contained` are of this type. */
  readonly resource: GraphQLInterfaceType
  /** Id and extensions of a primitive, in the field with an underscore. */
  readonly #primitive: GraphQLObjectType

  /** @param more further fields of a resource type: its reverse references */
  constructor(
    readonly table: GraphqlTable,
    readonly more: (type: string) => Fields,
  ) {
    this.resource = new GraphQLInterfaceType({
      name: 'Resource',
      fields: () => ({ resourceType: { type: GraphQLString }, ...this.#fields('Resource') }),
      resolveType: (value) => (value as GraphqlResource).resourceType,
    })
    this.#primitive = new GraphQLObjectType({ name: 'ElementBase', fields: () => this.#fields('Element') })
  }

  /** @param name as in the table: `Patient`, `HumanName`, `Patient.contact` */
  object(name: string): GraphQLObjectType<Readonly<Record<string, unknown>>, State> {
    let type = this.#made.get(name)
    if (type === undefined) {
      const isResource = this.table.types[name]?.kind === 'resource'
      type = new GraphQLObjectType<Readonly<Record<string, unknown>>, State>({
        name: typeName(name),
        interfaces: () => (isResource ? [this.resource] : []),
        fields: () => ({
          ...(isResource ? { resourceType: { type: GraphQLString } } : {}),
          ...this.#fields(name),
          ...(name === 'Reference' ? { resource: this.#resourceField() } : {}),
          ...(isResource ? this.more(name) : {}),
        }),
      })
      this.#made.set(name, type)
    }
    return type
  }

  #fields(name: string): Fields {
    const fields: Fields = {}
    for (const row of this.table.types[name]?.elements ?? []) this.#addElement(fields, row)
    return fields
  }

  #addElement(fields: Fields, [element, , max, codes]: ElementRow): void {
    const choice = element.endsWith('[x]')
    for (const each of codes) {
      const [code, ...targets] = typeof each === 'string' ? [each] : each
      const name = choice ? element.slice(0, -3) + suffixOf(code) : element
      const complex = code.startsWith('#') ? code.slice(1) : this.table.types[code] === undefined ? undefined : code
      if (complex === undefined) this.#addPrimitive(fields, name, code, max)
      else fields[name] = this.#complexField(name, complex, max, targets)
    }
  }

  #addPrimitive(fields: Fields, name: string, code: string, max: number): void {
    const list = (type: GraphQLOutputType): GraphQLOutputType => (max === 1 ? type : new GraphQLList(type))
    fields[name] = { type: list(scalarOf(code)) }
    if (name !== 'id' && name !== 'div') fields[`_${name}`] = { type: list(this.#primitive) }
  }

  /** `extensions.targets`: the types that a Reference in this field can point to, see expand.ts. */
  #complexField(name: string, code: string, max: number, targets: readonly string[]): Field {
    const type = code === 'Resource' ? this.resource : this.object(code === 'SimpleQuantity' ? 'Quantity' : code)
    const extensions = code === 'Reference' && targets.length > 0 ? { extensions: { targets } } : {}
    if (max === 1) return { type, ...extensions }
    return {
      type: new GraphQLList(type),
      args: listArguments(this.table.types[code]?.elements ?? [], this.table.types),
      resolve: (source, args, state) =>
        selectElements(source[name], args, (expression, elements) =>
          state.filters.select(this.table, code, expression, elements),
        ),
      ...extensions,
    }
  }

  #resourceField(): Field {
    return {
      type: this.resource,
      args: { optional: { type: GraphQLBoolean }, type: { type: scalarOf('code') } },
      resolve: async (source, args, state) => {
        const found = await resolveReference(source, args as ResourceArguments, state)
        return found && state.enter(found)
      },
    }
  }
}

/** `Patient.contact` → `PatientContact` */
function typeName(name: string): string {
  return name
    .split('.')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('')
}

function suffixOf(code: string): string {
  return code === 'SimpleQuantity' ? 'Quantity' : code.charAt(0).toUpperCase() + code.slice(1)
}

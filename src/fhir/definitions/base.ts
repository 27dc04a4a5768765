import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { isResource } from '../is-resource.js'
import { parseJson } from '../json.js'
import { subsetted } from '../subset.js'
import type { Resource } from '../types.js'
import { projectFolder } from './structures.js'

/** A conformance resource of R4 and where it lies in `base.bin`; see compile-base.mjs. */
type Row = readonly [id: string, url: string, name: string, offset: number, length: number]

interface BaseNames {
  readonly byId: ReadonlyMap<string, Row>
  readonly byUrl: ReadonlyMap<string, readonly Row[]>
  readonly byName: ReadonlyMap<string, readonly Row[]>
}

const names = new Map<string, BaseNames>()
let rows: Readonly<Record<string, readonly Row[]>> | undefined

const file = (name: string): string => join(projectFolder('generated', 'fhir'), name)

function namesOf(type: string): BaseNames {
  rows ??= JSON.parse(readFileSync(file('base.json'), 'utf8')) as Readonly<Record<string, readonly Row[]>>
  let known = names.get(type)
  if (known === undefined) {
    const of = Object.hasOwn(rows, type) ? (rows[type] ?? []) : []
    known = {
      byId: new Map(of.map((row) => [row[0], row])),
      byUrl: Map.groupBy(of, ([, url]) => url),
      byName: Map.groupBy(of, ([, , name]) => name.toLowerCase()),
    }
    names.set(type, known)
  }
  return known
}

/** What a definition of R4 is asked by: any of these. Names are whole, whatever their case. */
export interface BaseAsked {
  readonly ids?: readonly string[]
  readonly urls?: readonly string[]
  readonly names?: readonly string[]
}

/** Ids of the definitions of R4 of a type that are asked for, each once. */
export function baseIds(type: string, asked: BaseAsked): string[] {
  const { byId, byUrl, byName } = namesOf(type)
  const found = [
    ...(asked.ids ?? []).filter((id) => byId.has(id)),
    ...(asked.urls ?? []).flatMap((url) => (byUrl.get(url) ?? []).map(([id]) => id)),
    ...(asked.names ?? []).flatMap((name) => (byName.get(name.toLowerCase()) ?? []).map(([id]) => id)),
  ]
  return [...new Set(found)]
}

let pieces: Buffer | undefined

/** A definition of R4 by its type and id: without narrative and snapshot, as its tag says. */
export function baseDefinition(type: string, id: string): Resource | undefined {
  const row = namesOf(type).byId.get(id)
  if (row === undefined) return undefined
  const [, , , offset, length] = row
  pieces ??= readFileSync(file('base.bin'))
  const resource: unknown = parseJson(inflateRawSync(pieces.subarray(offset, offset + length)))
  return isResource(resource) ? subsetted(resource) : undefined
}

import { parseReference } from '../../references.js'
import { isMap } from './match.js'

type JsonMap = Readonly<Record<string, unknown>>

/** Where a resource stands in a document: contained in another one, or as an entry with a fullUrl. */
interface Place {
  readonly container: JsonMap | undefined
  readonly fullUrl: string | undefined
  /** The Bundle or Parameters around it. */
  readonly among: JsonMap | undefined
}

/**
 * The resources of one document, found by the references between them: contained ones by `#id`, entries of a Bundle by
 * the rules for its references (https://hl7.org/fhir/R4/bundle.html#references). Read once, when first asked.
 */
export class ResolvableDocument {
  private readonly places = new Map<object, Place>()
  private readonly byUrl = new Map<string, JsonMap>()
  private read = false

  constructor(private readonly root: object) {}

  /** Undefined if the target is not in the document. */
  resolve(reference: string, from: object): object | undefined {
    this.readOnce()
    const place = this.places.get(from)
    const target = parseReference(reference)
    if (target.kind === 'contained') return containedIn(place?.container ?? (from as JsonMap), target.id)
    const fullUrl = this.places.get(place?.container ?? from)?.fullUrl
    const own = fullUrl === undefined ? undefined : parseReference(fullUrl)
    if (target.kind === 'relative' && own?.kind === 'absolute') {
      return this.byUrl.get(`${own.base}/${target.type}/${target.id}`)
    }
    if (target.kind === 'absolute') return this.byUrl.get(`${target.base}/${target.type}/${target.id}`)
    if (target.kind === 'relative') return this.byUrl.get(`${target.type}/${target.id}`)
    return this.byUrl.get(reference)
  }

  private readOnce(): void {
    if (this.read) return
    this.read = true
    if (isMap(this.root)) this.add(this.root, { container: undefined, fullUrl: undefined, among: undefined })
  }

  private add(resource: JsonMap, place: Place): void {
    this.places.set(resource, place)
    for (const contained of listOf(resource['contained'])) {
      this.places.set(contained, { ...place, container: resource })
    }
    const inner = (held: unknown, fullUrl: unknown): void => {
      if (!isMap(held)) return
      const url = typeof fullUrl === 'string' ? fullUrl : undefined
      if (url !== undefined) this.byUrl.set(url, held)
      else if (typeof held['id'] === 'string') this.byUrl.set(`${String(held['resourceType'])}/${held['id']}`, held)
      this.add(held, { container: undefined, fullUrl: url, among: resource })
    }
    if (resource['resourceType'] === 'Bundle') {
      for (const { resource: held, fullUrl } of listOf(resource['entry'])) inner(held, fullUrl)
    } else if (resource['resourceType'] === 'Parameters') {
      const waiting = [...listOf(resource['parameter'])]
      for (const { resource: held, part } of waiting) {
        inner(held, undefined)
        waiting.push(...listOf(part))
      }
    }
  }
}

function containedIn(container: JsonMap, id: string): object | undefined {
  return id === '' ? container : listOf(container['contained']).find((resource) => resource['id'] === id)
}

const listOf = (value: unknown): JsonMap[] => (Array.isArray(value) ? value.filter(isMap) : [])

import { ConsentryError } from '../errors.js'

/** Media types of https://hl7.org/fhir/R4/http.html#mime-type; Turtle is not served. */
export const FHIR_JSON = 'application/fhir+json'
export const FHIR_XML = 'application/fhir+xml'
const XML_TYPES: ReadonlySet<string> = new Set([FHIR_XML, 'application/xml', 'text/xml', 'xml'])
const JSON_TYPES: ReadonlySet<string> = new Set([
  FHIR_JSON,
  'application/json',
  'text/json',
  'json',
  'application/*',
  'text/*',
  '*/*',
])
const VERSIONS: ReadonlySet<string> = new Set(['4.0', '4.0.1', 'r4', 'R4'])

interface MediaRange {
  readonly type: string
  readonly quality: number
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * The Content-Type of the response. `_format` wins over Accept; `json` and `application/json` get application/json,
 * XML is written for whoever prefers it, everything else that admits JSON gets application/fhir+json. 406 when nothing fits.
 */
export function responseType(accept: string | undefined, format: string | undefined): string {
  // In a query a plus is a space, and `_format=application/fhir+json` is often written unescaped.
  const wanted = format === undefined ? accept : format.trim().replace(/ /g, '+')
  if (wanted === undefined || wanted.trim() === '') return `${FHIR_JSON}; charset=utf-8`
  const usable = mediaRanges(wanted)
    .filter(({ type, quality, parameters }) => {
      const version = parameters.get('fhirversion')
      return (
        quality > 0 && (JSON_TYPES.has(type) || XML_TYPES.has(type)) && (version === undefined || VERSIONS.has(version))
      )
    })
    .sort((a, b) => b.quality - a.quality)
  const best = usable[0]
  if (best === undefined)
    throw new ConsentryError(
      'not-acceptable',
      `This server answers with ${FHIR_JSON} or ${FHIR_XML} of FHIR 4.0; neither Turtle nor other versions are served.`,
      { expression: [format === undefined ? 'http.accept' : 'http._format'] },
    )
  if (XML_TYPES.has(best.type)) {
    const generic = best.type === 'application/xml' || best.type === 'text/xml'
    return `${generic ? best.type : FHIR_XML}; charset=utf-8`
  }
  const plain =
    best.type === 'application/json' || best.type === 'text/json' || (best.type === 'json' && format === undefined)
  return plain ? 'application/json; charset=utf-8' : `${FHIR_JSON}; charset=utf-8`
}

/** Where a body is used: a resource, a patch, a form with search parameters, or the input of an operation. */
export type BodyUse = 'resource' | 'patch' | 'form' | 'operation'

const RESOURCE = [FHIR_JSON, FHIR_XML, 'application/json', 'text/json', 'application/xml', 'text/xml']
const BODY_TYPES: Readonly<Record<BodyUse, readonly string[]>> = {
  resource: RESOURCE,
  patch: ['application/json-patch+json', ...RESOURCE],
  form: ['application/x-www-form-urlencoded'],
  operation: [...RESOURCE, 'application/graphql'],
}

/** True for a body or an answer in XML. */
export function isXml(contentType: string | undefined): boolean {
  return contentType !== undefined && XML_TYPES.has(mediaRanges(contentType)[0]?.type ?? '')
}

/** True for a wish that names a FHIR format, and not just anything. */
export function wantsFhir(wanted: string | undefined): boolean {
  return mediaRanges((wanted ?? '').replace(/ /g, '+')).some(({ type }) =>
    [FHIR_JSON, FHIR_XML, 'application/json', 'json', 'xml'].includes(type),
  )
}

export function isFhirXml(contentType: string | undefined): boolean {
  return contentType !== undefined && mediaRanges(contentType)[0]?.type === FHIR_XML
}

/** 415 unless the body is of a type that is understood there, in UTF-8, of FHIR 4.0. */
export function checkContentType(contentType: string | undefined, use: BodyUse): void {
  const [range] = contentType === undefined ? [] : mediaRanges(contentType)
  const charset = range?.parameters.get('charset')
  const version = range?.parameters.get('fhirversion')
  const understood = range !== undefined && BODY_TYPES[use].includes(range.type)
  const ofR4 = version === undefined || VERSIONS.has(version)
  if (understood && (charset === undefined || /^utf-?8$/i.test(charset)) && ofR4) return
  if (range?.type === 'application/xml-patch+xml') {
    throw new ConsentryError(
      'unsupported-media-type',
      'XML Patch is not served; send a JSON Patch (application/json-patch+json) or a FHIRPath Patch (Parameters).',
      { expression: ['http.content-type'] },
    )
  }
  throw new ConsentryError(
    'unsupported-media-type',
    `The body of this request must be ${BODY_TYPES[use].slice(0, 3).join(' or ')}, in UTF-8${ofR4 ? '' : ' and of FHIR 4.0 (fhirVersion=4.0)'}.`,
    { expression: ['http.content-type'] },
  )
}

function mediaRanges(header: string): MediaRange[] {
  return header
    .slice(0, 1000)
    .split(',')
    .map((part) => {
      const [type = '', ...rest] = part.split(';').map((piece) => piece.trim())
      const parameters = new Map(
        rest.map((parameter) => {
          const [name = '', value = ''] = parameter.split('=', 2)
          return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1')]
        }),
      )
      const q = parameters.get('q')
      const quality = q === undefined ? 1 : Number(q)
      return { type: type.toLowerCase(), quality: Number.isFinite(quality) ? quality : 0, parameters }
    })
}

/** Which content coding to use, of those the client takes; br before gzip at equal wish: README has the figures. */
export function contentCoding(acceptEncoding: string | undefined): 'gzip' | 'br' | null {
  if (acceptEncoding === undefined) return null
  const ranges = mediaRanges(acceptEncoding)
  const quality = (coding: string) =>
    (ranges.find(({ type }) => type === coding) ?? ranges.find(({ type }) => type === '*'))?.quality ?? 0
  const [gzip, br] = [quality('gzip'), quality('br')]
  if (gzip <= 0 && br <= 0) return null
  return br >= gzip ? 'br' : 'gzip'
}

import { parseJson } from '../../fhir/json.js'
import type { Answer } from './gateway-client.js'

export interface Refusal {
  readonly file: string
  readonly status: number | null
  /** For people, with the place in the Bundle if there is one. */
  readonly text: string
  readonly expression: string
}

interface Outcome {
  readonly issue?: { severity?: string; diagnostics?: string; details?: { text?: string }; expression?: string[] }[]
}
interface ResponseBundle {
  readonly entry?: { response?: { status?: string; location?: string; outcome?: Outcome } }[]
}

/** What a server refused, from its answer to a transaction or batch; empty when it did everything. */
export function refusalsOf(file: string, { status, body }: Answer): Refusal[] {
  const content = jsonOf(body)
  if (status >= 300) return issues(file, status, content as Outcome | null, '')
  return ((content as ResponseBundle | null)?.entry ?? []).flatMap(({ response }, i) => {
    const code = Number((response?.status ?? '200').slice(0, 3))
    return code < 300 ? [] : issues(file, code, response?.outcome ?? null, `Bundle.entry[${i}]`)
  })
}

/** Where each entry of an accepted Bundle is, `Type/id/_history/version`, or `null`. */
export function locationsOf({ body }: Answer): (string | null)[] {
  const { entry = [] } = (jsonOf(body) ?? {}) as ResponseBundle
  return entry.map(({ response }) => /[A-Za-z]+\/[^/]+\/_history\/[^/]+$/.exec(response?.location ?? '')?.[0] ?? null)
}

function issues(file: string, status: number, outcome: Outcome | null, at: string): Refusal[] {
  const found = (outcome?.issue ?? []).filter(({ severity }) => severity === 'error' || severity === 'fatal')
  if (found.length === 0) return [{ file, status, text: `The gateway answered ${status}.`, expression: at }]
  return found.map(({ diagnostics, details, expression }) => ({
    file,
    status,
    text: diagnostics ?? details?.text ?? `The gateway answered ${status}.`,
    expression: expression?.[0] ?? at,
  }))
}

function jsonOf(body: Buffer): unknown {
  try {
    return parseJson(body)
  } catch {
    return null
  }
}

/** The refusals by kind, the most frequent first: how often, why, and where for example. */
export function summary(refusals: readonly Refusal[]): string {
  const kinds = Map.groupBy(
    refusals,
    ({ status, text, expression }) => `${status} ${kindOf(text)} ${kindOf(expression)}`,
  )
  return [...kinds.values()]
    .sort((a, b) => b.length - a.length)
    .flatMap((same) => {
      const [{ status, text, expression, file }] = same as [Refusal]
      const files = new Set(same.map((refusal) => refusal.file)).size
      const where = expression === '' ? '' : ` at ${expression}`
      const place = `${file}${files > 1 ? ` and ${files - 1} more` : ''}`
      return [`${same.length} × ${status ?? 'not sent'}: ${text}${where}`, `    in ${place}`]
    })
    .join('\n')
}

/** Text without what differs from one case to the next: indexes, ids, numbers. */
function kindOf(text: string): string {
  return text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+/g, '#')
}

import type { CodeOf, Membership } from '../fhir/terminology.js'
import type { TerminologyServer } from './conformance.js'

export interface RemoteTerminologyOptions {
  /** FHIR base of the terminology server, without a slash at its end. */
  readonly url: string
  /** Milliseconds for one question. */
  readonly timeoutMs: number
  /** Told once each time that the server stops answering. */
  readonly onProblem: (error: unknown) => void
  /** Milliseconds since the epoch. */
  readonly clock: () => number
}

const CACHED = 20_000
const CACHE_MS = 3_600_000
/** After a failure nobody is made to wait for the next one. */
const PAUSE_MS = 30_000
const ANSWER_BYTES = 64 * 1024
const AT_ONCE = 16

/**
 * A terminology server asked by `ValueSet/$validate-code` (https://hl7.org/fhir/R4/valueset-operation-validate-code.html).
 * Codes travel in the body, never in a URL. What it does not answer in time, or not as FHIR, is unknown, never valid.
 */
export class RemoteTerminology implements TerminologyServer {
  private readonly answers = new Map<string, { readonly answer: Membership; readonly until: number }>()
  private pausedUntil = 0
  private asking = 0

  constructor(private readonly options: RemoteTerminologyOptions) {}

  async holds(valueSet: string, codes: readonly CodeOf[]): Promise<Membership> {
    const answers = await Promise.all(codes.map((code) => this.holdsOne(valueSet, code)))
    if (answers.includes('in')) return 'in'
    return answers.includes('unknown') || codes.length === 0 ? 'unknown' : 'out'
  }

  private async holdsOne(valueSet: string, code: CodeOf): Promise<Membership> {
    const key = JSON.stringify([valueSet, code.system, code.code])
    const now = this.options.clock()
    const known = this.answers.get(key)
    if (known !== undefined && known.until > now) return known.answer
    if (now < this.pausedUntil || this.asking >= AT_ONCE) return 'unknown'
    this.asking++
    try {
      const answer = await this.ask(valueSet, code)
      this.remember(key, answer, now)
      return answer
    } catch (error) {
      if (this.options.clock() >= this.pausedUntil) this.options.onProblem(error)
      this.pausedUntil = this.options.clock() + PAUSE_MS
      return 'unknown'
    } finally {
      this.asking--
    }
  }

  private remember(key: string, answer: Membership, now: number): void {
    this.answers.delete(key)
    this.answers.set(key, { answer, until: now + CACHE_MS })
    const [oldest] = this.answers.keys()
    if (this.answers.size > CACHED && oldest !== undefined) this.answers.delete(oldest)
  }

  private async ask(valueSet: string, { system, code }: CodeOf): Promise<Membership> {
    const [url = '', version] = valueSet.split('|')
    const response = await fetch(`${this.options.url}/ValueSet/$validate-code`, {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json', accept: 'application/fhir+json' },
      redirect: 'error',
      signal: AbortSignal.timeout(this.options.timeoutMs),
      body: JSON.stringify({
        resourceType: 'Parameters',
        parameter: [
          { name: 'url', valueUri: url },
          ...(version === undefined ? [] : [{ name: 'valueSetVersion', valueString: version }]),
          { name: 'code', valueCode: code },
          system === undefined ? { name: 'inferSystem', valueBoolean: true } : { name: 'system', valueUri: system },
        ],
      }),
    })
    const text = await bounded(response)
    // It does not know the value set or the code system: an answer, if not a useful one.
    if (response.status >= 400 && response.status < 500 && response.status !== 429) return 'unknown'
    if (!response.ok) throw new Error(`The terminology server answered ${response.status}.`)
    return resultOf(text)
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > ANSWER_BYTES) throw new Error('The terminology server answered more than it was asked.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

interface Answer {
  readonly resourceType?: unknown
  readonly parameter?: readonly { readonly name?: unknown; readonly valueBoolean?: unknown }[]
}

function resultOf(text: string): Membership {
  const { resourceType, parameter } = JSON.parse(text) as Answer
  const result = Array.isArray(parameter) ? parameter.find(({ name }) => name === 'result')?.valueBoolean : undefined
  if (resourceType !== 'Parameters' || typeof result !== 'boolean') {
    throw new Error('The terminology server did not answer with the Parameters of $validate-code.')
  }
  // how terminology servers say that false means: I do not have that code system
  const lost = parameter?.some(({ name }) => name === 'x-unknown-system' || name === 'x-caused-by-unknown-system')
  if (result) return 'in'
  return lost === true ? 'unknown' : 'out'
}

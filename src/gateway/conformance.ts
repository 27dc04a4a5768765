import type { Issue } from '../errors.js'
import { stringify } from '../fhir/json.js'
import type { JudgeOptions, Profiles, Verdict } from '../fhir/profiles.js'
import type { CodeOf, Membership, Terminology } from '../fhir/terminology.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import { validate, validOrThrow } from '../fhir/validate.js'
import type { OpenBinding } from '../fhir/validation/walk.js'
import { type CheckingThread, LARGE_BODY } from './checking.js'
import type { JudgingThread } from './judging.js'

/** Of profiles on the main thread: some milliseconds. A Bundle of the International Patient Summary takes about as many. */
const QUICK_STEPS = 2_000

/** A terminology server; it never throws, and says `unknown` where it cannot be asked. */
export interface TerminologyServer {
  holds(valueSet: string, codes: readonly CodeOf[]): Promise<Membership>
}

/**
 * What this server demands of a resource beyond R4: the profiles that it claims and those that are configured, with
 * bindings that only a terminology server can decide decided there. Writes and `$validate` ask the same.
 */
export class Conformance {
  constructor(
    readonly profiles: Profiles,
    private readonly server: TerminologyServer | null,
    private readonly thread: JudgingThread | null = null,
    /** For bodies that are large; without it they are checked where they are. */
    readonly checking: CheckingThread | null = null,
    /** Definitions of the packages, which can be read and searched. */
    readonly loaded: readonly Resource[] = [],
  ) {}

  get terminology(): Terminology {
    return this.profiles.terminology
  }

  /** What a valid resource breaks of profiles; empty if nothing. */
  async judge(resource: ValidResource, options: JudgeOptions = {}): Promise<Issue[]> {
    const { issues, open } = await this.verdict(resource, options)
    return [...issues, ...(await this.settle(open, options.warnings === true))]
  }

  /** What has been made here, valid by R4. @throws ConsentryError `malformed` with all issues */
  async valid(value: unknown): Promise<ValidResource> {
    const large = this.largeText(value)
    if (large === undefined) return validOrThrow(value)
    await large.thread.resource(large.text)
    return value as ValidResource // the thread has checked the same
  }

  /** R4 first, then profiles: all that is wrong with a value, and what could not be checked. Never throws. */
  async validate(value: unknown, profiles: readonly string[]): Promise<Issue[]> {
    const large = this.largeText(value)
    const issues =
      large === undefined ? validate(value, { warnings: true }).issues : await large.thread.issues(large.text)
    if (issues.some(({ severity }) => severity === 'error')) return [...issues]
    const resource = value as ValidResource // no rule of R4 says otherwise
    return [...issues, ...(await this.judge(resource, { profiles, warnings: true }))]
  }

  /** What the terminology server says of a code that cannot be decided here; without one, nothing. */
  async askServer(valueSet: string, code: CodeOf): Promise<Membership> {
    return this.server === null ? 'unknown' : this.server.holds(valueSet, [code])
  }

  /** To write a value as JSON takes a small part of what it takes to check it. */
  private largeText(value: unknown): { readonly thread: CheckingThread; readonly text: Uint8Array } | undefined {
    const { checking } = this
    const text = checking === null ? '' : stringify(value)
    return checking === null || text.length < LARGE_BODY ? undefined : { thread: checking, text: Buffer.from(text) }
  }

  /** What is quickly judged is judged here, and what is not where it holds up nobody. */
  private async verdict(resource: ValidResource, options: JudgeOptions): Promise<Verdict> {
    if (this.thread === null) return this.profiles.verdict(resource, options)
    const quick = this.profiles.verdict(resource, { ...options, steps: QUICK_STEPS })
    return quick.complete ? quick : this.thread.judge(resource, options)
  }

  private async settle(open: readonly OpenBinding[], warnings: boolean): Promise<Issue[]> {
    const { server } = this
    const ask = async ({ valueSet, codes }: OpenBinding): Promise<Membership> =>
      server === null ? 'unknown' : server.holds(valueSet, codes)
    const answers = await Promise.all(open.map(ask))
    return open.flatMap((binding, index) => issueOf(binding, answers[index] ?? 'unknown', warnings))
  }
}

function issueOf({ valueSet, strength, expression }: OpenBinding, answer: Membership, warnings: boolean): Issue[] {
  if (answer === 'in') return []
  const place = { expression: [expression] }
  if (answer === 'unknown') {
    const diagnostics = `${expression}: whether this is a code of ${valueSet} could not be checked.`
    return warnings ? [{ severity: 'information', code: 'not-supported', diagnostics, ...place }] : []
  }
  if (strength === 'extensible' && !warnings) return []
  const ought = strength === 'required' ? 'must' : 'should'
  return [
    {
      severity: strength === 'required' ? 'error' : 'warning',
      code: 'code-invalid',
      diagnostics: `${expression}: ${ought} be a code of ${valueSet}.`,
      ...place,
    },
  ]
}

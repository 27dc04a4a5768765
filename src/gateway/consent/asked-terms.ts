import type { RequestedTerms } from '../../consent/access-requests.js'
import { isLabelCode, labelCodeOf, labelId } from '../../consent/labels.js'
import {
  ACTIONS,
  ALL_CATEGORIES,
  CATEGORIES,
  categoryBits,
  isCategory,
  isPurpose,
  PURPOSES,
} from '../../consent/terms.js'
import { ConsentryError, type Issue } from '../../errors.js'
import type { OperationInput } from '../../fhir/operation-definition.js'

/** What is asked for or given, in the ledger's words. Times in seconds since the epoch. */
export type AskedTerms = Pick<RequestedTerms, 'labels' | 'actions' | 'purposes' | 'categories' | 'from' | 'to'>

const PURPOSE_CODES = PURPOSES.filter((code) => code !== 'BTG')

/**
 * The terms that a client names by the parameters label, action, purpose, category and period. What is absent is absent: the caller says what
 * that means.
 *
 * @throws ConsentryError `invalid` with each code that a grant cannot have
 */
export function namedTerms(input: OperationInput): Partial<AskedTerms> {
  const issues: Issue[] = []
  const known = <T extends string>(name: string, codes: readonly T[]): T[] => {
    const given = input.strings(name)
    return given.flatMap((code) => {
      const found = codes.find((each) => each === code)
      if (found !== undefined) return [found]
      const diagnostics = `The ${name} must be one of ${codes.join(', ')}.`
      issues.push({
        severity: 'error',
        code: 'code-invalid',
        diagnostics,
        expression: [`Parameters.parameter:${name}`],
      })
      return []
    })
  }
  const labels = input.strings('label').map((code) => code)
  if (labels.some((code) => !isLabelCode(code) || code === 'OTHER')) {
    issues.push({
      severity: 'error',
      code: 'code-invalid',
      diagnostics:
        'A label must be general, R, or a sensitivity class that this server keeps apart; see ValueSet/grantable-label.',
      expression: ['Parameters.parameter:label'],
    })
  }
  const actions = known('action', ACTIONS)
  const purposes = known('purpose', PURPOSE_CODES)
  const categories = known('category', CATEGORIES)
  const [period] = input.objects('period')
  const start = secondsOf(period?.['start'], 'start', issues)
  const end = secondsOf(period?.['end'], 'end', issues)
  if (issues.length > 0) throw new ConsentryError('invalid', 'The terms are none that can be granted.', { issues })
  return {
    ...(labels.length === 0 ? {} : { labels: [...new Set(labels)].filter(isLabelCode).map(labelId) }),
    ...(actions.length === 0
      ? {}
      : { actions: actions.reduce((mask, action) => mask | (1 << ACTIONS.indexOf(action)), 0) }),
    ...(purposes.length === 0
      ? {}
      : { purposes: purposes.filter(isPurpose).reduce((mask, code) => mask | (1 << PURPOSES.indexOf(code)), 0) }),
    ...(categories.length === 0 ? {} : { categories: categoryBits(categories.filter(isCategory)) }),
    ...(start === null ? {} : { from: start }),
    ...(end === null ? {} : { to: end }),
  }
}

function secondsOf(value: unknown, name: string, issues: Issue[]): number | null {
  if (value === undefined) return null
  const at = typeof value === 'string' && value.includes('T') ? Date.parse(value) : NaN
  if (Number.isFinite(at) && at >= 0) return Math.floor(at / 1000)
  issues.push({
    severity: 'error',
    code: 'value',
    diagnostics: 'Give date and time with an offset, as in 2026-01-31T00:00:00Z: consent is decided to the second.',
    expression: [`Parameters.parameter:period.${name}`],
  })
  return null
}

/**
 * What the patient makes of a request: what is named instead of what was asked for, and less of it.
 *
 * @throws ConsentryError `invalid` naming what goes beyond the request
 */
export function narrowed(request: RequestedTerms, named: Partial<AskedTerms>, now: number): AskedTerms {
  const given = {
    labels: named.labels ?? request.labels,
    actions: named.actions ?? request.actions,
    purposes: named.purposes ?? request.purposes,
    categories: named.categories ?? request.categories,
    from: named.from ?? Math.max(request.from, now),
    to: named.to ?? request.to,
  }
  const beyond = [
    ['label', given.labels.every((label) => request.labels.includes(label))],
    ['action', (given.actions & ~request.actions) === 0],
    ['purpose', (given.purposes & ~request.purposes) === 0],
    ['category', (given.categories & ~request.categories) === 0n],
    ['period', given.from >= request.from && given.to <= request.to && given.from < given.to && now < given.to],
  ].flatMap(([name, inside]) => (inside === true ? [] : [String(name)]))
  if (beyond.length === 0) return given
  throw new ConsentryError('invalid', 'An answer gives what was asked for, or less.', {
    issues: beyond.map((name) => ({
      severity: 'error',
      code: 'business-rule',
      diagnostics: `The ${name} goes beyond what was asked for. To give more, propose a Consent.`,
      expression: [`Parameters.parameter:${name}`],
    })),
  })
}

/** Whether a gateway can say the terms in FHIR; codes that it does not know it cannot name. */
export function labelCodesOf({ labels }: Pick<AskedTerms, 'labels'>) {
  return labels.flatMap((label) => labelCodeOf(label) ?? [])
}

export const isEveryCategory = ({ categories }: Pick<AskedTerms, 'categories'>): boolean =>
  categories === ALL_CATEGORIES

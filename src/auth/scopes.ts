/**
 * SMART App Launch 2.2 resource scopes, https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
 * `system/Patient.rs?param=value`; the v1 forms `.read`, `.write` and `.*` mean `rs`, `cud` and `cruds`.
 */
export type Permission = 'c' | 'r' | 'u' | 'd' | 's'

export interface Scope {
  readonly context: 'system' | 'user' | 'patient'
  /** Resource type or `*`. */
  readonly type: string
  readonly permissions: ReadonlySet<Permission>
  /** All of these must hold of a resource; empty: no narrowing. */
  readonly filter: ScopeFilter
  /** As it was granted. */
  readonly text: string
}

/** Search parameters (name with modifiers, value) that a resource must match. */
export type ScopeFilter = readonly (readonly [name: string, value: string])[]

const FORM = /^(system|user|patient)\/(\*|[A-Z][A-Za-z]{1,63})\.(\*|read|write|[cruds]{1,5})(?:\?([^\s"\\]{1,1000}))?$/
const VERSION_1: Readonly<Record<string, string>> = { '*': 'cruds', read: 'rs', write: 'cud' }

/** Null for anything that is not a resource scope (`openid`, `launch`, misspelt ones). */
export function parseScope(text: string): Scope | null {
  const [, context, type, access, query] = FORM.exec(text) ?? []
  if (context === undefined || type === undefined || access === undefined) return null
  const letters = VERSION_1[access] ?? access
  // The specification fixes the order c, r, u, d, s; another order or a repeated letter is no scope.
  if (!/^c?r?u?d?s?$/.test(letters)) return null
  const filter = query === undefined ? [] : [...new URLSearchParams(query)]
  if (filter.some(([name]) => name === '')) return null
  return {
    context: context as Scope['context'],
    type,
    permissions: new Set(letters as Iterable<Permission>),
    filter,
    text,
  }
}

/** The resource scopes in a space-separated list; others are dropped. */
export function parseScopes(list: string): Scope[] {
  return list
    .split(' ')
    .map(parseScope)
    .filter((scope) => scope !== null)
}

/**
 * What is granted of a request: for each requested scope the part that some registered scope covers. Narrower
 * than both; equal entries appear once. Empty when nothing is left.
 */
export function narrow(requested: readonly Scope[], registered: readonly Scope[]): Scope[] {
  const granted = new Map<string, Scope>()
  for (const wanted of requested)
    for (const allowed of registered) {
      const common = intersection(wanted, allowed)
      if (common !== null) granted.set(common.text, common)
    }
  return [...granted.values()]
}

function intersection(a: Scope, b: Scope): Scope | null {
  if (a.context !== b.context) return null
  if (a.type !== '*' && b.type !== '*' && a.type !== b.type) return null
  const letters = [...'cruds'].filter((p) => a.permissions.has(p as Permission) && b.permissions.has(p as Permission))
  if (letters.length === 0) return null
  const type = a.type === '*' ? b.type : a.type
  const pairs = new Map([...a.filter, ...b.filter].map((pair) => [JSON.stringify(pair), pair]))
  const query = new URLSearchParams(
    Array.from(pairs.values(), ([name, value]): [string, string] => [name, value]),
  ).toString()
  return parseScope(`${a.context}/${type}.${letters.join('')}${query === '' ? '' : `?${query}`}`)
}

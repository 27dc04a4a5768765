interface Step {
  readonly name: string
  /** Keep only elements whose property has this text. */
  readonly where?: readonly [property: string, text: string]
  /** Keep only this element of a list. */
  readonly index?: number
}

export interface CompiledPath {
  /** The property of the resource that the path starts with. */
  readonly first: string
  /** Calls `use` with every element at the end of the path; lists are gone through, null is left out. */
  readonly visit: (resource: Readonly<Record<string, unknown>>, use: (element: unknown) => void) => void
}

/** Points inside of brackets are those of a URL. */
const STEPS = /[^.[\]]+(?:\[[^\]]*\])?/g

/** Compiles `a.b[system=phone].c[0]` (see table.ts). */
export function compilePath(places: string): CompiledPath {
  const steps = (places.match(STEPS) ?? []).map(parseStep)
  return { first: steps[0]?.name ?? '', visit: (resource, use) => walk(resource, steps, 0, use) }
}

function parseStep(text: string): Step {
  const match = /^([^[]+)(?:\[(?:(\d+)|([^=]+)=(.*))\])?$/.exec(text)
  if (match === null) throw new Error(`Not a path: ${text}`)
  const [, name = '', index, property, value] = match
  if (index !== undefined) return { name, index: Number(index) }
  return property === undefined ? { name } : { name, where: [property, value ?? ''] }
}

function walk(node: unknown, steps: readonly Step[], at: number, use: (element: unknown) => void): void {
  const step = steps[at]
  if (step === undefined) {
    use(node)
    return
  }
  const child = (node as Readonly<Record<string, unknown>>)[step.name]
  if (child === undefined || child === null) return
  if (!Array.isArray(child)) {
    if (keeps(step, child)) walk(child, steps, at + 1, use)
    return
  }
  const from = step.index ?? 0
  const to = step.index === undefined ? child.length : Math.min(child.length, step.index + 1)
  for (let i = from; i < to; i++) {
    const element: unknown = child[i]
    if (element !== null && keeps(step, element)) walk(element, steps, at + 1, use)
  }
}

function keeps(step: Step, element: unknown): boolean {
  return step.where === undefined || (element as Record<string, unknown>)[step.where[0]] === step.where[1]
}

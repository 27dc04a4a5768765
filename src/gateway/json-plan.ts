/** Bytes of a piece: parsing it takes about a millisecond. */
const PIECE = 64 * 1024

/**
 * How a large JSON text is parsed in pieces: a piece is a value, or a run of values of a list without its brackets, by its first and last
 * byte; what is larger is made of others.
 */
export type JsonPlan =
  | { readonly value: Span }
  | { readonly list: readonly ({ readonly run: Span } | JsonPlan)[] }
  | { readonly object: readonly (readonly [key: string, plan: JsonPlan])[] }

export type Span = readonly [from: number, to: number]

/** The plan of a text that is JSON. */
export function planOf(text: Uint8Array, piece = PIECE): JsonPlan {
  const mark = text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf
  return new Planner(text, piece).value(mark ? 3 : 0).plan
}

interface Planned {
  readonly plan: JsonPlan
  /** The value itself, without blanks around it. */
  readonly span: Span
}

const [QUOTE, BACKSLASH, COMMA, COLON, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x22, 0x5c, 0x2c, 0x3a, 0x5b, 0x5d, 0x7b, 0x7d,
] as const

/** Goes once through the bytes; what is small is one piece, whatever is in it. */
class Planner {
  constructor(
    private readonly text: Uint8Array,
    private readonly piece: number,
  ) {}

  value(at: number): Planned {
    const from = this.#skip(at)
    switch (this.text[from]) {
      case OPEN_LIST:
        return this.#list(from)
      case OPEN_OBJECT:
        return this.#object(from)
      case QUOTE:
        return whole([from, this.#string(from)])
      default:
        return whole([from, this.#plain(from)])
    }
  }

  #list(from: number): Planned {
    const items: Planned[] = []
    let at = this.#skip(from + 1)
    while (this.text[at] !== CLOSE_LIST) {
      const item = this.value(at)
      items.push(item)
      at = this.#skip(item.span[1])
      if (this.text[at] === COMMA) at = this.#skip(at + 1)
    }
    const span: Span = [from, at + 1]
    if (span[1] - span[0] <= this.piece) return whole(span)
    return { plan: { list: this.#runs(items) }, span }
  }

  /** Small items that stand together are one piece. */
  #runs(items: readonly Planned[]): ({ readonly run: Span } | JsonPlan)[] {
    const runs: ({ run: Span } | JsonPlan)[] = []
    let open: Span | undefined
    const close = (): void => {
      if (open !== undefined) runs.push({ run: open })
      open = undefined
    }
    for (const { plan, span } of items) {
      if (!('value' in plan)) {
        close()
        runs.push(plan)
      } else if (open !== undefined && span[1] - open[0] <= this.piece) open = [open[0], span[1]]
      else {
        close()
        open = span
      }
    }
    close()
    return runs
  }

  #object(from: number): Planned {
    const properties: (readonly [string, JsonPlan])[] = []
    let at = this.#skip(from + 1)
    while (this.text[at] !== CLOSE_OBJECT) {
      const end = this.#string(at)
      const key = JSON.parse(Buffer.from(this.text.subarray(at, end)).toString()) as string
      const colon = this.#skip(end)
      const { plan, span } = this.value(this.text[colon] === COLON ? colon + 1 : colon)
      properties.push([key, plan])
      at = this.#skip(span[1])
      if (this.text[at] === COMMA) at = this.#skip(at + 1)
    }
    const span: Span = [from, at + 1]
    return span[1] - span[0] <= this.piece ? whole(span) : { plan: { object: properties }, span }
  }

  /** The place behind the closing quote. */
  #string(from: number): number {
    let at = from + 1
    while (this.text[at] !== QUOTE && at < this.text.length) at += this.text[at] === BACKSLASH ? 2 : 1
    return at + 1
  }

  /** The place behind a number, true, false or null. */
  #plain(from: number): number {
    let at = from
    while (at < this.text.length && !ENDS.has(this.text[at] as number)) at++
    return at
  }

  #skip(at: number): number {
    let next = at
    while (BLANKS.has(this.text[next] as number)) next++
    return next
  }
}

const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])
const ENDS: ReadonlySet<number> = new Set([...BLANKS, COMMA, CLOSE_LIST, CLOSE_OBJECT])

const whole = (span: Span): Planned => ({ plan: { value: span }, span })

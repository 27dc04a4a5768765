/**
 * A bounded memory by text: two generations, of which the older one is forgotten when the younger is full, so what is
 * asked for stays. Holds up to twice `size`.
 */
export class Memory<V> {
  #young = new Map<string, V>()
  #old = new Map<string, V>()

  constructor(private readonly size: number) {}

  /** What is remembered of the text, or else made now. */
  of(text: string, make: () => V): V {
    const known = this.#young.get(text)
    if (known !== undefined) return known
    const value = this.#old.get(text) ?? make()
    if (this.#young.size >= this.size) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(text, value)
    return value
  }
}

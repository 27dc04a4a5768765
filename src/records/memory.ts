/**
 * A bounded memory: two generations, of which the older one is forgotten when the younger is full, so what is asked for
 * stays. Holds up to twice `size`.
 */
export class Memory<V> {
  #young: Place<V> = new Map()
  #old: Place<V> = new Map()
  #count = 0

  constructor(private readonly size: number) {}

  /**
   * What is remembered under the names, or else made now. Each name is hashed by itself, and most were before: of one text that is
   * joined of them the hash would have to be computed each time. All of one memory have the same number of names.
   */
  of(names: readonly string[], make: () => V): V {
    const last = names[names.length - 1] as string
    const place = placeOf(this.#young, names)
    const known = place.get(last) as V | undefined
    if (known !== undefined) return known
    const value = (placeOf(this.#old, names).get(last) as V | undefined) ?? make()
    if (this.#count >= this.size) {
      this.#old = this.#young
      this.#young = new Map()
      this.#count = 0
    }
    placeOf(this.#young, names).set(last, value)
    this.#count++
    return value
  }
}

type Place<V> = Map<string, V | Place<V>>

/** Of all names but the last. */
function placeOf<V>(from: Place<V>, names: readonly string[]): Place<V> {
  let place = from
  for (let i = 0; i < names.length - 1; i++) {
    const name = names[i] as string
    let next = place.get(name) as Place<V> | undefined
    if (next === undefined) place.set(name, (next = new Map()))
    place = next
  }
  return place
}

import { inspect } from 'node:util'

/** What shows itself to nobody: printing, inspecting and JSON give the name of its type. */
export abstract class Secret {
  /** Overwrites what is secret; using it afterwards throws `internal`. */
  abstract destroy(): void

  toString(): string {
    return `[${this.constructor.name}]`
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }

  [Symbol.dispose](): void {
    this.destroy()
  }
}

import type { IssueCode } from '../../errors.js'

/**
 * Why one parameter of a search cannot be obeyed; `parseSearch` collects them. The text names parameters and
 * forms, never the value, which may be a name or a diagnosis.
 *
 * `leave`: a client that asked for lenient handling wants the parameter left out; any other refusal stands.
 */
export class Refusal extends Error {
  constructor(
    readonly code: IssueCode,
    message: string,
    readonly leave = false,
  ) {
    super(message)
  }
}

/** Names come from the client: whatever is not a name is not repeated. */
export function printable(name: string): string {
  return /^[\w.:\-*]{1,100}$/.test(name) ? name : 'not a name'
}

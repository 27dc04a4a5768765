import type { ConsentryError, Issue } from '../errors.js'
import type { Resource } from './types.js'

/**
 * An OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html) from issues. `diagnostics` stand in
 * `details.text` too, because clients that show one of both show that one.
 */
export function operationOutcome(issues: readonly Issue[]): Resource {
  const listed = issues.length > 0 ? issues : [ALL_GOOD]
  return {
    resourceType: 'OperationOutcome',
    issue: listed.map(({ severity, code, diagnostics, expression }) => ({
      severity,
      code,
      details: { text: diagnostics },
      diagnostics,
      ...(expression === undefined || expression.length === 0 ? {} : { expression }),
    })),
  }
}

const ALL_GOOD: Issue = { severity: 'information', code: 'informational', diagnostics: 'No issues found.' }

/** The OperationOutcome of an error; its diagnostics are meant for the client. */
export function outcomeOf(error: ConsentryError): Resource {
  return operationOutcome(error.issues)
}

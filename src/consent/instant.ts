/** The last that an instant of FHIR and ISO 8601 can say in four digits of a year; the ledger counts seconds of 40 bits. */
const LAST_SECOND = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000

/** A time of the ledger to the second, in UTC. @param seconds since the epoch */
export function instant(seconds: number): string {
  return `${new Date(Math.min(seconds, LAST_SECOND) * 1000).toISOString().slice(0, 19)}Z`
}

import { expect } from 'vitest'

/** `expect.poll` with patience for a busy machine: its default of one second would make the test a timed one. */
export function eventually<T>(value: () => T, timeout = 20_000): ReturnType<typeof expect.poll<T>> {
  return expect.poll<T>(value, { timeout, interval: 10 })
}

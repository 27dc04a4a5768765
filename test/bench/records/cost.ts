export function print(what: string, ...figures: readonly (readonly [value: number, unit: string])[]): void {
  const columns = figures.map(([value, unit]) => `${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit.padEnd(14)}`)
  console.log(`${what.padEnd(58)} ${columns.join(' ')}`)
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

export interface Cost {
  /** Milliseconds. */
  readonly wall: number
  readonly cpu: number
  /** Of the main thread. */
  readonly main: number
}

export async function cost(work: () => unknown): Promise<Cost> {
  const cpu = process.cpuUsage()
  const main = process.threadCpuUsage()
  const from = performance.now()
  await work()
  const wall = performance.now() - from
  const { user, system } = process.cpuUsage(cpu)
  const thread = process.threadCpuUsage(main)
  return { wall, cpu: (user + system) / 1000, main: (thread.user + thread.system) / 1000 }
}

export const of = (costs: readonly Cost[], part: keyof Cost): number => median(costs.map((one) => one[part]))

/** Processor time of one call. */
export function nanoseconds(work: (text: string, i: number) => unknown): number {
  const texts = Array.from({ length: 256 }, (_, i) => `code|Observation|code|http://loinc.org|${1000 + i}-4`)
  const once = (): number => {
    const from = process.threadCpuUsage().user
    for (let i = 0; i < 20_000; i++) work(texts[i & 255] as string, i)
    return (process.threadCpuUsage().user - from) / 20
  }
  once()
  return median([once(), once(), once()])
}

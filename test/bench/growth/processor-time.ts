import { existsSync, readdirSync, readFileSync } from 'node:fs'

/**
 * Milliseconds that processes have been on a processor, all their threads, which waiting for other work on the machine does not lengthen; `NaN` where
 * Linux does not tell (https://docs.kernel.org/scheduler/sched-stats.html).
 */
export function processorTime(pids: readonly number[]): number {
  let nanoseconds = 0
  for (const pid of pids) {
    const tasks = `/proc/${pid}/task`
    if (!existsSync(tasks)) return NaN
    for (const task of readdirSync(tasks)) nanoseconds += onProcessor(`${tasks}/${task}/schedstat`)
  }
  return nanoseconds / 1e6
}

/** A thread may be gone before it is read. */
function onProcessor(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8').split(' ')[0])
  } catch {
    return 0
  }
}

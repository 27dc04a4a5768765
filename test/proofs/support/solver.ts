import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import type { Terms } from './terms.js'

const COMMAND = process.env['Z3'] ?? 'z3'

/** The version of the z3 that is here, or null. */
export const z3Version = ((): string | null => {
  try {
    return execFileSync(COMMAND, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return null
  }
})()

export const NO_Z3 = 'no z3: apt-get install z3, or set Z3 to its binary'

/** One z3 that is told the terms as they come, and asked. */
export class Solver {
  private readonly z3: ChildProcess = spawn(COMMAND, ['-smt2', '-in', '-t:60000'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  private readonly answers: AsyncIterator<string>
  private told = 0

  constructor(private readonly terms: Terms) {
    const lines: Interface = createInterface({ input: this.z3.stdout as NodeJS.ReadableStream })
    this.answers = lines[Symbol.asyncIterator]()
  }

  /**
   * Whether words exist that satisfy all of these.
   * @throws if z3 does not know, within a minute, or takes the script for wrong
   */
  async satisfiable(conditions: readonly string[]): Promise<boolean> {
    const news = this.terms.lines.slice(this.told)
    this.told = this.terms.lines.length
    const asked = [...news, '(push)', ...conditions.map((condition) => `(assert ${condition})`), '(check-sat)', '(pop)']
    this.z3.stdin?.write(`${asked.join('\n')}\n`)
    const { value, done } = await this.answers.next()
    if (value === 'sat') return true
    if (value === 'unsat') return false
    throw new Error(done === true ? 'z3 ended' : `z3 answered: ${value}`)
  }

  async end(): Promise<void> {
    this.z3.stdin?.end()
    if (this.z3.exitCode === null) await once(this.z3, 'exit')
  }
}

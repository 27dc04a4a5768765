/** Something that must be closed in order: workers before the database, the database before the lock. */
export interface Part {
  readonly name: string
  readonly close: () => Promise<void>
}

export interface DrainOptions {
  /** Refuses new connections and resolves when the last request has been answered. */
  readonly stopServing: () => Promise<void>
  /** Cuts the connections that are left. */
  readonly cutConnections: () => void
  /** Closed one after the other, in this order. */
  readonly parts: readonly Part[]
  readonly seconds: number
  /** How long one part may take to close. */
  readonly partSeconds?: number
  readonly note: (message: string, error?: unknown) => void
}

const TOGETHER_MILLISECONDS = 500
/** A part that has not closed by then is left: the exit of the process closes it for good. */
const PART_SECONDS = 15

/**
 * Going down without losing anything: first no new requests, then those in flight, then the parts in order. What
 * was acknowledged is durable already, so a kill in between costs no data; draining is for the clients' sake.
 */
export class Drain {
  #running: Promise<boolean> | undefined

  constructor(private readonly options: DrainOptions) {}

  get draining(): boolean {
    return this.#running !== undefined
  }

  /** Resolves to false when some part failed to close. Later calls join the first. */
  run(): Promise<boolean> {
    this.#running ??= this.#drain()
    return this.#running
  }

  async #drain(): Promise<boolean> {
    const { stopServing, cutConnections, parts, seconds, note, partSeconds = PART_SECONDS } = this.options
    const cut = setTimeout(() => {
      note(`requests still ran after ${seconds} s and were cut off`)
      cutConnections()
    }, seconds * 1000)
    let clean = await attempt('server', stopServing, note, seconds + partSeconds)
    clearTimeout(cut)
    for (const { name, close } of parts) clean = (await attempt(name, close, note, partSeconds)) && clean
    return clean
  }

  /**
   * SIGINT and SIGTERM drain and exit; a second signal exits at once. One Ctrl-C under npm arrives twice, from the
   * terminal and forwarded by npm, so signals that come together count as one.
   */
  onSignals(target: NodeJS.Process, now: () => number = () => performance.now()): void {
    let first: number | undefined
    const received = (signal: NodeJS.Signals) => {
      first ??= now()
      if (this.draining) {
        if (now() - first < TOGETHER_MILLISECONDS) return
        this.options.note(`${signal} again: leaving at once`)
        return target.exit(130)
      }
      this.options.note(`${signal}: finishing requests in flight`)
      void this.run().then((clean) => target.exit(clean ? 0 : 1))
    }
    target.on('SIGINT', received)
    target.on('SIGTERM', received)
  }
}

async function attempt(
  name: string,
  close: () => Promise<void>,
  note: DrainOptions['note'],
  limitSeconds: number,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), limitSeconds * 1000)
  })
  try {
    if ((await Promise.race([close(), late])) !== 'late') return true
    note(`${name} did not close within ${limitSeconds} s and was left`)
  } catch (error) {
    note(`${name} did not close cleanly`, error)
  } finally {
    clearTimeout(timer)
  }
  return false
}

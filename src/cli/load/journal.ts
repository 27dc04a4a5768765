import { createReadStream, existsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createInterface } from 'node:readline'

/** What is known of a unit from this or an earlier run. */
export type UnitState =
  /** It was on its way when we or the gateway ended: `pid` is the gateway it went to, `null` when not known. */
  | { readonly state: 'sent'; readonly at: number; readonly pid: number | null }
  /** Acknowledged: where its entries are, `Type/id/_history/version`; `null` for those that wrote nothing. */
  | { readonly state: 'done'; readonly locations: readonly (string | null)[] }
  /** Not acknowledged, but found on the server afterwards. */
  | { readonly state: 'found' }
  | { readonly state: 'refused' }

/**
 * The state file of loads into one gateway: one JSON line per event, appended. That a unit is sent is durable before it
 * is sent, so a unit that the file does not know was never sent.
 */
export class Journal {
  private constructor(
    private readonly file: FileHandle,
    private readonly units: Map<string, UnitState>,
  ) {}

  static async open(path: string): Promise<Journal> {
    const units = new Map<string, UnitState>()
    if (existsSync(path)) {
      for await (const line of createInterface({ input: createReadStream(path) })) {
        const event = parsed(line)
        if (event !== null) units.set(event.key, event)
      }
    }
    const file = await open(path, 'a', 0o600)
    // The last line of a killed run may lack its end.
    await file.appendFile('\n')
    return new Journal(file, units)
  }

  get(key: string): UnitState | undefined {
    return this.units.get(key)
  }

  async note(key: string, state: UnitState): Promise<void> {
    this.units.set(key, state)
    await this.file.appendFile(`${JSON.stringify({ key, ...state })}\n`)
    if (state.state === 'sent') await this.file.datasync()
  }

  close(): Promise<void> {
    return this.file.close()
  }
}

function parsed(line: string): (UnitState & { key: string }) | null {
  try {
    const event: unknown = JSON.parse(line)
    return typeof event === 'object' && event !== null && 'key' in event ? (event as UnitState & { key: string }) : null
  } catch {
    return null
  }
}

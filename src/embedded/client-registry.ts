import { readFile, stat } from 'node:fs/promises'
import type { ClientRegistry, RegisteredClient } from '../auth/clients.js'
import { type ClientContext, readClient } from '../auth/read-client.js'

export interface ClientFile extends ClientContext {
  readonly path: string
  /** Hears once of each state of the file what of it is left out, and why. */
  readonly onProblem: (problem: Error) => void
}

type Clients = ReadonlyMap<string, RegisteredClient>

/**
 * Clients of the operator's own file, `clients.json` in the data directory (a list, src/auth/README.md), besides those that
 * are fixed. The file is looked at whenever a client is asked for, so one that is removed is refused at once. What of it cannot be
 * read is no client, and the operator is told.
 */
export function fileRegistry(file: ClientFile, fixed: ClientRegistry): ClientRegistry {
  let known: { at: number; clients: Promise<Clients> } = { at: 0, clients: Promise.resolve(new Map()) }
  const clients = async (): Promise<Clients> => {
    const at = await stat(file.path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    )
    if (at !== known.at) known = { at, clients: at === 0 ? Promise.resolve(new Map()) : read(file) }
    return known.clients
  }
  return { find: async (id) => (await fixed.find(id)) ?? (await clients()).get(id) }
}

async function read({ path, onProblem, ...context }: ClientFile): Promise<Clients> {
  const clients = new Map<string, RegisteredClient>()
  const list = await listIn(path).catch((error: unknown) => {
    onProblem(new Error(`${path} is not used: ${messageOf(error)}`))
    return []
  })
  for (const [i, value] of list.entries()) {
    try {
      const client = readClient(value, context)
      if (clients.has(client.id)) throw new Error('its id is that of another client before it.')
      clients.set(client.id, client)
    } catch (error) {
      onProblem(new Error(`Client ${i + 1} of ${path} is left out: ${messageOf(error)}`))
    }
  }
  return clients
}

async function listIn(path: string): Promise<unknown[]> {
  const value: unknown = JSON.parse(await readFile(path, 'utf8'))
  if (Array.isArray(value)) return value
  throw new Error('it must be a list of clients, [{"id": …}].')
}

/** JSON.parse quotes what it read: a file of keys is not for the log. */
function messageOf(error: unknown): string {
  return error instanceof SyntaxError ? 'it is not JSON.' : error instanceof Error ? error.message : String(error)
}

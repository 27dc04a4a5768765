import { readFile, stat } from 'node:fs/promises'
import type { ClientRegistry, RegisteredClient } from '../auth/clients.js'

/**
 * Clients of the operator's own file, `clients.json` in the data directory (a list of RegisteredClient), besides those that
 * are fixed. The file is looked at whenever a client is asked for, so one that is removed is refused at once. A file that
 * cannot be read as such a list has no clients.
 */
export function fileRegistry(path: string, fixed: ClientRegistry): ClientRegistry {
  let known: { at: number; clients: ReadonlyMap<string, RegisteredClient> } = { at: -1, clients: new Map() }
  const clients = async (): Promise<ReadonlyMap<string, RegisteredClient>> => {
    const at = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    )
    if (at !== known.at) known = { at, clients: at === 0 ? new Map() : await read(path) }
    return known.clients
  }
  return { find: async (id) => (await fixed.find(id)) ?? (await clients()).get(id) }
}

async function read(path: string): Promise<ReadonlyMap<string, RegisteredClient>> {
  try {
    const list = JSON.parse(await readFile(path, 'utf8')) as RegisteredClient[]
    return new Map(list.map((client) => [client.id, client]))
  } catch {
    return new Map()
  }
}

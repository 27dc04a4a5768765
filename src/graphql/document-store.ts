import type { DocumentNode } from 'graphql'
import { visit } from 'graphql'

/**
 * Apollo's store of parsed, written out and validated documents, least recently used dropped first. Apollo's own
 * measures by the length of JSON, several times less than the nodes take; here nodes are counted, at about 300 bytes each.
 */
export class BoundedDocuments {
  readonly #kept = new Map<string, { readonly document: DocumentNode; readonly nodes: number }>()
  #nodes = 0

  constructor(readonly mostNodes = 100_000) {}

  get nodes(): number {
    return this.#nodes
  }

  async get(key: string): Promise<DocumentNode | undefined> {
    const found = this.#kept.get(key)
    if (found === undefined) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, found)
    return found.document
  }

  /** One document may take a tenth: a few broad ones must not drop all others. */
  async set(key: string, document: DocumentNode): Promise<void> {
    await this.delete(key)
    const nodes = countNodes(document)
    if (nodes > this.mostNodes / 10) return
    this.#kept.set(key, { document, nodes })
    this.#nodes += nodes
    for (const oldest of this.#kept.keys()) {
      if (this.#nodes <= this.mostNodes) break
      await this.delete(oldest)
    }
  }

  async delete(key: string): Promise<boolean> {
    this.#nodes -= this.#kept.get(key)?.nodes ?? 0
    return this.#kept.delete(key)
  }
}

function countNodes(document: DocumentNode): number {
  let nodes = 0
  visit(document, { enter: () => void nodes++ })
  return nodes
}
